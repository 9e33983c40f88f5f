ALTER TABLE skuscribe.product ATTACH PARTITION skuscribe.{table} FOR VALUES IN ({catalogue});
