-- A seeded random sample of products: the queries of the recall measurement.
SELECT row FROM skuscribe.{table}
WHERE embedding IS NOT NULL
ORDER BY md5(%(seed)s || ':' || row)
LIMIT %(queries)s;
