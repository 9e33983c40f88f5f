SELECT count(*) FROM skuscribe.description
WHERE batch = %(batch)s AND error IS NULL AND description <> '';
