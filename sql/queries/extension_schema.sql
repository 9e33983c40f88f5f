-- The schema of pgvector, quoted as an identifier, and whether this user may use it.
SELECT quote_ident(n.nspname), has_schema_privilege(n.oid, 'USAGE')
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'vector';
