-- What a build needs: a temporary table with a vector, and an HNSW index over it. The caller rolls it back.
CREATE TEMPORARY TABLE doctor (embedding halfvec(3)) ON COMMIT DROP;
INSERT INTO doctor VALUES ('[1,2,3]');
CREATE INDEX ON doctor USING hnsw (embedding halfvec_cosine_ops);
