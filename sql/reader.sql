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

-- GRANT ... ON ALL TABLES fails if another user has a table in the schema.
DO $$
DECLARE
    object text;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader') THEN
        GRANT USAGE ON SCHEMA skuscribe TO skuscribe_reader;
        FOR object IN
            SELECT oid::regclass FROM pg_class
            WHERE relnamespace = 'skuscribe'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
              AND has_table_privilege(oid, 'SELECT WITH GRANT OPTION')
        LOOP
            EXECUTE format('GRANT SELECT ON %s TO skuscribe_reader', object);
        END LOOP;
        FOR object IN
            SELECT oid::regprocedure FROM pg_proc
            WHERE pronamespace = 'skuscribe'::regnamespace AND prokind = 'f'
              AND has_function_privilege(oid, 'EXECUTE WITH GRANT OPTION')
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO skuscribe_reader', object);
        END LOOP;
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
