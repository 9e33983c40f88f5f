-- Read-only access for people and tools. It runs after the migrations, and may run any number of times.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader') THEN
        CREATE ROLE skuscribe_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;  -- roles belong to the server: a job of another database has created it
    WHEN insufficient_privilege THEN NULL;  -- the caller reports that there is no role
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader') THEN
        GRANT USAGE ON SCHEMA skuscribe TO skuscribe_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA skuscribe TO skuscribe_reader;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA skuscribe TO skuscribe_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA skuscribe GRANT SELECT ON TABLES TO skuscribe_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA skuscribe GRANT EXECUTE ON FUNCTIONS TO skuscribe_reader;
    END IF;
END $$;

-- Searches name pgvector's types and operators. Often everybody may use its schema, and only an administrator can grant it.
DO $$
DECLARE
    extension_schema oid := (SELECT extnamespace FROM pg_extension WHERE extname = 'vector');
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader')
        AND NOT has_schema_privilege('skuscribe_reader', extension_schema, 'USAGE')
        AND has_schema_privilege(extension_schema, 'USAGE WITH GRANT OPTION')
    THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO skuscribe_reader', extension_schema::regnamespace);
    END IF;
END $$;
