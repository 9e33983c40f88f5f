UPDATE skuscribe.catalogue
SET generation = %(generation)s, catalogue_digest = %(catalogue_digest)s, encoder = %(encoder)s,
    encoder_digest = %(encoder_digest)s, dimensions = %(dimensions)s, m = %(m)s, ef_construction = %(ef_construction)s,
    ef_search = %(ef_search)s, updated = now()
WHERE catalogue = %(catalogue)s;
