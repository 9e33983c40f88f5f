-- A seeded random sample of the products of a split.
SELECT row
FROM skuscribe.product
WHERE catalogue = %(catalogue)s AND split = %(split)s AND embedding IS NOT NULL
ORDER BY md5(%(seed)s || ':' || row), row
LIMIT %(products)s;
