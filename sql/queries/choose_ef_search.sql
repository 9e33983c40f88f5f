-- Use another ef_search for searches of the current index.
WITH chosen AS (
    UPDATE skuscribe.catalogue SET ef_search = %(ef_search)s, updated = now()
    WHERE catalogue = %(catalogue)s
    RETURNING catalogue, generation
)
UPDATE skuscribe.index_build b SET ef_search = %(ef_search)s
FROM chosen c
WHERE b.catalogue = c.catalogue AND b.generation = c.generation;
