COPY loaded (uid, title, content, cluster, split, shard, row, content_hash) FROM STDIN (FORMAT binary);
