DROP TABLE skuscribe.{table};
