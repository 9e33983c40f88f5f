-- What \d+, \df+ and graphical clients show for each view and function.

COMMENT ON VIEW skuscribe.coverage IS
    'Products by catalogue and split: total, with a vector, without a vector, and distinct clusters of duplicates.';
COMMENT ON VIEW skuscribe.norms IS 'Dimensions and lengths of the vectors by catalogue. Every length should be 1.';
COMMENT ON VIEW skuscribe.index_size IS 'The current index of each catalogue: size, and recall@10 at the ef_search in use.';
COMMENT ON VIEW skuscribe.recall IS 'recall@10 of every build at each ef_search, measured against exact search.';
COMMENT ON VIEW skuscribe.index_builds IS 'Every finished build of an index, newest first.';
COMMENT ON VIEW skuscribe.flagged IS
    'Reasons why descriptions were held back, by batch: number and share of descriptions, and the uid of an example.';

COMMENT ON FUNCTION skuscribe.nearest_to IS
    'The k products nearest to a vector, nearest first. similarity is the cosine of the two vectors.';
COMMENT ON FUNCTION skuscribe.nearest IS
    'The k products nearest to a product of the catalogue, without the product itself.';
COMMENT ON FUNCTION skuscribe.duplicates IS
    'Pairs of products with at least this similarity, among the 5 nearest of a sample of products. asked is the size of the '
    'sample; NULL searches for all products.';
COMMENT ON FUNCTION skuscribe.outliers IS 'The k products least similar to the mean vector of their catalogue.';
COMMENT ON FUNCTION skuscribe.grounding IS
    'The retrieved neighbours that a description was written with, nearest first, with their texts.';
