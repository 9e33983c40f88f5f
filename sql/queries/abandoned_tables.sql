-- Product tables of this catalogue that no partition refers to: what killed builds left.
SELECT relname FROM pg_class
WHERE relnamespace = 'skuscribe'::regnamespace AND relkind = 'r' AND NOT relispartition
  AND relname ~ ('^product_' || %(catalogue_id)s || '_[0-9]+$');
