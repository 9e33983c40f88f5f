SELECT count(*) FROM skuscribe.{table};
