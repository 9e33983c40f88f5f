-- The texts of one file, for this session alone.
CREATE TEMPORARY TABLE IF NOT EXISTS wanted (content_hash bytea NOT NULL);
TRUNCATE wanted;
