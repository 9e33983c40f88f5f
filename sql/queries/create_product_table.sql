-- The check lets ATTACH PARTITION skip its scan of the rows.
CREATE TABLE skuscribe.{table} (
    LIKE skuscribe.product INCLUDING DEFAULTS INCLUDING INDEXES,
    CHECK (catalogue = {catalogue})
);
