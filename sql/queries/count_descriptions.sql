SELECT count(*) FROM skuscribe.description WHERE batch = %(batch)s AND model_digest = %(model_digest)s;
