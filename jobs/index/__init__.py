"""The job `index`: the catalogue as vectors and an HNSW index in Postgres."""
