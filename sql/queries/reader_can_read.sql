-- True if the role has the privileges that this user may grant, or if it does not exist and this user may not create it.
-- Tables are granted together, so the first one that a database has tells of all.
SELECT CASE
    WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader')
    THEN has_schema_privilege('skuscribe_reader', 'skuscribe', 'USAGE') AND (
        has_table_privilege('skuscribe_reader', 'skuscribe.migration', 'SELECT')
        OR NOT has_table_privilege('skuscribe.migration', 'SELECT WITH GRANT OPTION')
    ) AND NOT EXISTS (
        SELECT FROM pg_extension e
        WHERE e.extname = 'vector' AND NOT has_schema_privilege('skuscribe_reader', e.extnamespace, 'USAGE')
          AND has_schema_privilege(e.extnamespace, 'USAGE WITH GRANT OPTION')
    )
    ELSE NOT (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)
END;
