-- CREATE SCHEMA IF NOT EXISTS needs CREATE on the database also if an administrator has made the schema.
DO $$
BEGIN
    IF to_regnamespace('skuscribe') IS NULL THEN
        CREATE SCHEMA skuscribe;
    END IF;
END $$;
CREATE TABLE IF NOT EXISTS skuscribe.migration (
    name        text PRIMARY KEY,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
