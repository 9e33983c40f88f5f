-- True if every function that sql/functions.sql alters has the schema of pgvector as its search path.
SELECT NOT EXISTS (
    SELECT FROM pg_proc p, pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector' AND p.pronamespace = 'skuscribe'::regnamespace
      AND p.prokind = 'f' AND pg_has_role(p.proowner, 'USAGE')
      AND NOT EXISTS (
          SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
      )
      AND NOT coalesce(p.proconfig, '{}') @> ARRAY['search_path=' || quote_ident(n.nspname)]
);
