-- The number of products without a vector, by shard; null is the held-out set. A text that failed is not counted.
SELECT shard, count(*)
FROM loaded l
WHERE NOT EXISTS (SELECT FROM skuscribe.embedded e WHERE e.content_hash = l.content_hash)
  AND NOT EXISTS (SELECT FROM skuscribe.product p WHERE p.content_hash = l.content_hash AND p.embedding IS NOT NULL)
  AND NOT EXISTS (
      SELECT FROM skuscribe.failure f
      WHERE f.job = 'index' AND f.scope = %(catalogue)s AND f.content_hash = l.content_hash
  )
GROUP BY shard
ORDER BY shard NULLS LAST;
