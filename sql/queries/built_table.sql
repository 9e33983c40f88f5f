-- Whether the table of a build is the one that this process made, whether it is in use, and its figures.
SELECT c.oid = %(oid)s, c.relispartition,
       (SELECT count(*) FROM skuscribe.{table}),
       (SELECT count(*) FROM skuscribe.embedded e
        WHERE EXISTS (SELECT FROM skuscribe.{table} p WHERE p.content_hash = e.content_hash)),
       pg_table_size(c.oid), pg_relation_size(%(index)s::regclass)
FROM pg_class c WHERE c.oid = %(name)s::regclass;
