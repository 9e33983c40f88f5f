-- True if the role has its privileges, or if it does not exist and this user may not create it.
SELECT CASE
    WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader')
    THEN has_schema_privilege('skuscribe_reader', 'skuscribe', 'USAGE') AND NOT EXISTS (
        SELECT FROM pg_extension e
        WHERE e.extname = 'vector' AND NOT has_schema_privilege('skuscribe_reader', e.extnamespace, 'USAGE')
          AND has_schema_privilege(e.extnamespace, 'USAGE WITH GRANT OPTION')
    )
    ELSE NOT (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)
END;
