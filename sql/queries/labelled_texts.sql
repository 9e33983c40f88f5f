SELECT probability, label = 'right', weight
FROM (
    SELECT *, stratum_rows::float8 / count(*) OVER (PARTITION BY batch, stratum) AS weight
    FROM skuscribe.audit_label
    WHERE catalogue = %(catalogue)s AND coalesce(matcher_digest, %(matcher_digest)s) = %(matcher_digest)s
) AS labelled
WHERE probability IS NOT NULL AND (published OR flags <@ %(matched_reasons)s::text[])
ORDER BY batch, uid, text_digest;
