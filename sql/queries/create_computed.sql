CREATE TEMPORARY TABLE IF NOT EXISTS computed (content_hash bytea NOT NULL, embedding halfvec NOT NULL);
TRUNCATE computed;
