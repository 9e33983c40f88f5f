COPY wanted (content_hash) FROM STDIN (FORMAT binary);
