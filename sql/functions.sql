-- The functions find pgvector's types and operators in whatever schema it is, whatever the search path of their caller. This
-- runs after the migrations, and may run any number of times. The schema may also have functions of pgvector or of another user.

DO $$
DECLARE
    extension_schema text := (
        SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
    );
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'skuscribe'::regnamespace AND p.prokind = 'f' AND pg_has_role(p.proowner, 'USAGE')
          AND NOT EXISTS (
              SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          )
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I', function, extension_schema);
    END LOOP;
END $$;
