SELECT count(*), pg_table_size(%(table)s::regclass), pg_relation_size(%(index)s::regclass)
FROM skuscribe.{table};
