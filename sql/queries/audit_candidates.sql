SELECT uid, published, flags FROM skuscribe.description
WHERE batch = %(batch)s AND error IS NULL AND description <> ''
ORDER BY uid;
