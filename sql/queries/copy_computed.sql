COPY computed (content_hash, embedding) FROM STDIN (FORMAT binary);
