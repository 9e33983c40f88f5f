SELECT uid, title, description, skuscribe.text_digest(title, description)
FROM skuscribe.description
WHERE batch = %(batch)s AND uid = ANY (%(uids)s);
