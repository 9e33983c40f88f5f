-- The ascending distances of the 10 nearest other products, for each query product.
SELECT query.row, array(
    SELECT neighbour.distance FROM (
        SELECT p.row, p.embedding::halfvec({dimensions}) <=> query.embedding AS distance
        FROM skuscribe.{table} p
        WHERE p.embedding IS NOT NULL
        ORDER BY p.embedding::halfvec({dimensions}) <=> query.embedding
        LIMIT 11
    ) AS neighbour
    WHERE neighbour.row <> query.row
    ORDER BY neighbour.distance
    LIMIT 10
)
FROM skuscribe.{table} query
WHERE query.row = ANY (%(rows)s)
ORDER BY query.row;
