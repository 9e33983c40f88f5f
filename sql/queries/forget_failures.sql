-- Remove the failures of products that are not loaded: they have left the catalogue, or have a NUL
-- character, which the caller records again.
DELETE FROM skuscribe.failure f
WHERE f.job = %(job)s AND f.scope = %(scope)s AND NOT EXISTS (
    SELECT FROM loaded l WHERE l.uid = f.uid
);
