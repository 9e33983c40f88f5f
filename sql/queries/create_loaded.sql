-- The products of the catalogue's files, without vectors, until the end of the transaction.
CREATE TEMPORARY TABLE loaded (
    uid text, title text, content text, cluster bigint, split text, shard integer, row bigint, content_hash bytea
) ON COMMIT DROP;
