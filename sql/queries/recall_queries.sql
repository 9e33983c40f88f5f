-- A seeded sample of products to ask the index about.
SELECT row FROM skuscribe.{table}
WHERE embedding IS NOT NULL
ORDER BY md5(%(seed)s || ':' || row)
LIMIT %(queries)s;
