SELECT pg_advisory_unlock(hashtextextended('skuscribe.index.' || %(catalogue)s, 0));
