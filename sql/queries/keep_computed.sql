-- Sorted by the key, so that two jobs that store vectors of the same texts cannot deadlock.
INSERT INTO skuscribe.embedded (content_hash, embedding)
SELECT content_hash, embedding FROM computed ORDER BY content_hash
ON CONFLICT DO NOTHING;
