ALTER TABLE skuscribe.product DETACH PARTITION skuscribe.{table};
