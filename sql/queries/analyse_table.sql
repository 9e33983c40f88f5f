ANALYZE skuscribe.{table};
