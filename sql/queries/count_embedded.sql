-- Vectors of this table that wait among those on their way: computed since the build before.
SELECT count(*) FROM skuscribe.embedded e
WHERE EXISTS (SELECT FROM skuscribe.{table} p WHERE p.content_hash = e.content_hash);
