SELECT count(*) FROM skuscribe.description WHERE batch = %(batch)s;
