-- For each product asked about: the distances of the 10 nearest others, ascending.
SELECT asked.row, array(
    SELECT near.distance FROM (
        SELECT p.row, p.embedding::halfvec({dimensions}) <=> asked.embedding AS distance
        FROM skuscribe.{table} p
        ORDER BY p.embedding::halfvec({dimensions}) <=> asked.embedding
        LIMIT 11
    ) AS near
    WHERE near.row <> asked.row
    ORDER BY near.distance
    LIMIT 10
)
FROM skuscribe.{table} asked
WHERE asked.row = ANY (%(rows)s)
ORDER BY asked.row;
