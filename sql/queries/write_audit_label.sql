INSERT INTO skuscribe.audit_label (
    batch, uid, text_digest, label, note, auditor, stratum, stratum_rows,
    catalogue, published, flags, probability, matcher_digest
)
SELECT d.batch, d.uid, %(text_digest)s, %(label)s, %(note)s, %(auditor)s, %(stratum)s, %(stratum_rows)s,
       d.catalogue, d.published, d.flags, d.probability, %(matcher_digest)s
FROM skuscribe.description d
WHERE d.batch = %(batch)s AND d.uid = %(uid)s AND skuscribe.text_digest(d.title, d.description) = %(text_digest)s
ON CONFLICT (batch, uid, text_digest) DO UPDATE SET
    label = excluded.label, note = excluded.note, auditor = excluded.auditor, stratum = excluded.stratum,
    stratum_rows = excluded.stratum_rows, catalogue = excluded.catalogue, published = excluded.published,
    flags = excluded.flags, probability = excluded.probability, matcher_digest = excluded.matcher_digest, created = now();
