-- The rows of a batch that its figures count, then those of another model.
SELECT count(*), count(*) FILTER (WHERE published), count(*) FILTER (WHERE flags <> '{}'), count(*) FILTER (WHERE error IS NOT NULL),
    coalesce(sum(retries), 0), count(*) FILTER (WHERE model_digest <> %(model_digest)s)
FROM skuscribe.description WHERE batch = %(batch)s;
