-- The products as the files have them, without vectors, until the end of the transaction.
CREATE TEMPORARY TABLE loaded (
    uid text, title text, content text, cluster bigint, split text, shard integer, row bigint, content_hash bytea
) ON COMMIT DROP;
