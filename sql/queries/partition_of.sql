-- The current partition of a catalogue.
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'skuscribe.product'::regclass AND c.relname ~ ('^product_' || %(catalogue_id)s || '_[0-9]+$');
