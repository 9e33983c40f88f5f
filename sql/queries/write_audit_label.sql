INSERT INTO skuscribe.audit_label (batch, uid, text_digest, label, note, auditor, stratum, stratum_rows)
VALUES (%(batch)s, %(uid)s, %(text_digest)s, %(label)s, %(note)s, %(auditor)s, %(stratum)s, %(stratum_rows)s)
ON CONFLICT (batch, uid, text_digest) DO UPDATE SET
    label = excluded.label, note = excluded.note, auditor = excluded.auditor, stratum = excluded.stratum,
    stratum_rows = excluded.stratum_rows, created = now();
