-- True where the role has its rights, or is missing and may not be made.
SELECT CASE
    WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader')
    THEN has_schema_privilege('skuscribe_reader', 'skuscribe', 'USAGE')
    ELSE NOT (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)
END;
