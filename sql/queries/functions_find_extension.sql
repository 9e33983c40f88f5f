-- True if every function has the schema of pgvector as its search path (sql/functions.sql).
SELECT NOT EXISTS (
    SELECT FROM pg_proc p, pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector' AND p.pronamespace = 'skuscribe'::regnamespace
      AND NOT coalesce(p.proconfig, '{}') @> ARRAY['search_path=' || quote_ident(n.nspname)]
);
