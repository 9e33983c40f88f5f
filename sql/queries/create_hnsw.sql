CREATE INDEX IF NOT EXISTS {index} ON skuscribe.{table}
USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops)
WITH (m = {m}, ef_construction = {ef_construction});
