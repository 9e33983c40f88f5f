INSERT INTO skuscribe.{table} (catalogue, uid, title, content, cluster, split, shard, row, content_hash, embedding)
SELECT %(catalogue)s, l.uid, l.title, l.content, l.cluster, l.split, l.shard, l.row, l.content_hash,
       coalesce(e.embedding, (
           SELECT p.embedding FROM skuscribe.product p
           WHERE p.content_hash = l.content_hash AND p.embedding IS NOT NULL LIMIT 1
       ))
FROM loaded l
LEFT JOIN skuscribe.embedded e USING (content_hash);
