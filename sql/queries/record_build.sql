INSERT INTO skuscribe.index_build (
    catalogue, generation, catalogue_digest, encoder, encoder_digest, dimensions, m, ef_construction, rows, vectors_new,
    rows_removed, seconds, index_seconds, index_bytes, table_bytes, recall_at_10, recall_queries, ef_search
) VALUES (
    %(catalogue)s, %(generation)s, %(catalogue_digest)s, %(encoder)s, %(encoder_digest)s, %(dimensions)s, %(m)s,
    %(ef_construction)s, %(rows)s, %(vectors_new)s, %(rows_removed)s, %(seconds)s, %(index_seconds)s, %(index_bytes)s,
    %(table_bytes)s, %(recall_at_10)s, %(recall_queries)s, %(ef_search)s
);
