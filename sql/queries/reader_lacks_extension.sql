-- The schema of pgvector, if the reading role exists and may not use it.
SELECT quote_ident(n.nspname)
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
JOIN pg_roles r ON r.rolname = 'skuscribe_reader'
WHERE e.extname = 'vector' AND NOT has_schema_privilege(r.oid, n.oid, 'USAGE');
