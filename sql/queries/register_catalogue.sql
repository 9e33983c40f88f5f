-- Insert the catalogue if it is new. Returns its number and the generation of its last build.
INSERT INTO skuscribe.catalogue (catalogue) VALUES (%(catalogue)s)
ON CONFLICT (catalogue) DO UPDATE SET catalogue = excluded.catalogue
RETURNING catalogue_id, generation;
