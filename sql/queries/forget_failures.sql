-- Failures of products that the catalogue no longer has, or that are sound now.
DELETE FROM skuscribe.failure f
WHERE f.job = %(job)s AND f.scope = %(scope)s AND NOT EXISTS (
    SELECT FROM loaded l WHERE l.uid = f.uid
);
