ANALYZE loaded;
