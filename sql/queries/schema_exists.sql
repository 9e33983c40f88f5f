SELECT to_regclass('skuscribe.catalogue') IS NOT NULL;
