-- In the order of the key, so that two embedders of the same texts cannot wait for each other in a circle.
INSERT INTO skuscribe.embedded (content_hash, embedding)
SELECT content_hash, embedding FROM computed ORDER BY content_hash
ON CONFLICT DO NOTHING;
