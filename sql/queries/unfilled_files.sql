-- The number of products of a new table without a vector, by shard; null is the held-out set. A text that failed is not counted.
-- Another session may have removed vectors since they were looked for.
SELECT shard, count(*)
FROM skuscribe.{table} p
WHERE p.embedding IS NULL AND NOT EXISTS (
    SELECT FROM skuscribe.failure f
    WHERE f.job = 'index' AND f.scope = %(catalogue)s AND f.content_hash = p.content_hash
)
GROUP BY shard
ORDER BY shard NULLS LAST;
