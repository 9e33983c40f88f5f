-- The current index of each catalogue, for `skuscribe status`.
SELECT b.catalogue, b.rows, (b.recall_at_10 ->> b.ef_search::text)::double precision, b.index_bytes + b.table_bytes, b.created
FROM skuscribe.catalogue c
JOIN skuscribe.index_build b USING (catalogue, generation)
ORDER BY b.catalogue;
