INSERT INTO skuscribe.failure (job, scope, uid, error) VALUES (%(job)s, %(scope)s, %(uid)s, %(error)s)
ON CONFLICT (job, scope, uid) DO UPDATE SET error = excluded.error, created = now();
