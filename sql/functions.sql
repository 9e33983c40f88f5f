-- The functions find pgvector's types and operators in whatever schema it is, whatever the search path of their caller. This
-- runs after the migrations, and may run any number of times.

DO $$
DECLARE
    extension_schema text := (
        SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
    );
    function regprocedure;
BEGIN
    FOR function IN SELECT oid FROM pg_proc WHERE pronamespace = 'skuscribe'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I', function, extension_schema);
    END LOOP;
END $$;
