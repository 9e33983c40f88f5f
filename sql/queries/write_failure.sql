INSERT INTO skuscribe.failure (job, scope, uid, error, content_hash)
VALUES (%(job)s, %(scope)s, %(uid)s, %(error)s, %(content_hash)s)
ON CONFLICT (job, scope, uid) DO UPDATE SET error = excluded.error, content_hash = excluded.content_hash, created = now();
