SELECT generation, rows, ef_search, recall_at_10, catalogue_digest, encoder_digest, m, ef_construction
FROM skuscribe.catalogue c
JOIN skuscribe.index_build b USING (catalogue, generation, catalogue_digest, encoder_digest, m, ef_construction, ef_search)
WHERE c.catalogue = %(catalogue)s;
