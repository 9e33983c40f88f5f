SELECT batch, uid, title, description, label, note, auditor, published, flags, probability, stratum, stratum_rows, weight
FROM skuscribe.audited
WHERE batch = %(batch)s
ORDER BY uid;
