-- The texts that have no vector yet, neither computed and waiting for a build nor in the table of any catalogue.
SELECT w.content_hash
FROM unnest(%(hashes)b::bytea[]) AS w (content_hash)
WHERE NOT EXISTS (SELECT FROM skuscribe.embedded e WHERE e.content_hash = w.content_hash)
  AND NOT EXISTS (SELECT FROM skuscribe.product p WHERE p.content_hash = w.content_hash AND p.embedding IS NOT NULL);
