-- With the CHECK constraint, ATTACH PARTITION does not scan the rows.
CREATE TABLE skuscribe.{table} (
    LIKE skuscribe.product INCLUDING DEFAULTS INCLUDING INDEXES,
    CHECK (catalogue = {catalogue})
);
