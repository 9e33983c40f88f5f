-- The number of the catalogue and of its last build.
INSERT INTO skuscribe.catalogue (catalogue) VALUES (%(catalogue)s)
ON CONFLICT (catalogue) DO UPDATE SET catalogue = excluded.catalogue
RETURNING catalogue_id, generation;
