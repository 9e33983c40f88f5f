-- True if the role has its privileges, or if it does not exist and this user may not create it.
SELECT CASE
    WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader')
    THEN has_schema_privilege('skuscribe_reader', 'skuscribe', 'USAGE')
    ELSE NOT (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)
END;
