-- The server's version, the user, the schema of pgvector, and whether the user can create the schema skuscribe or owns it.
SELECT current_setting('server_version'), current_user,
       (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'),
       coalesce(
           (SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'skuscribe'),
           has_database_privilege(current_database(), 'CREATE')
       );
