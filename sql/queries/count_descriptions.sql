SELECT count(*), count(*) FILTER (WHERE published), count(*) FILTER (WHERE flags <> '{}'), count(*) FILTER (WHERE error IS NOT NULL),
    coalesce(sum(retries), 0)
FROM skuscribe.description WHERE batch = %(batch)s AND model_digest = %(model_digest)s;
