-- The schema of pgvector, quoted as an identifier, whether this user may use it, and its type halfvec, which old versions lack.
SELECT quote_ident(n.nspname), has_schema_privilege(n.oid, 'USAGE'), t.oid, t.typarray
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
LEFT JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = 'halfvec'
WHERE e.extname = 'vector';
