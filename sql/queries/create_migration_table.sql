CREATE SCHEMA IF NOT EXISTS skuscribe;
CREATE TABLE IF NOT EXISTS skuscribe.migration (
    name        text PRIMARY KEY,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
