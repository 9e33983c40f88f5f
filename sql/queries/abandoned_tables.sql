-- Product tables of this catalogue that are not partitions of skuscribe.product: killed builds left them behind.
SELECT relname FROM pg_class
WHERE relnamespace = 'skuscribe'::regnamespace AND relkind = 'r' AND NOT relispartition
  AND relname ~ ('^product_' || %(catalogue_id)s || '_[0-9]+$');
