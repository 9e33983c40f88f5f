-- A label keeps what its text had when it was labelled, so that a threshold can be set from labels while their batch is written again.

ALTER TABLE skuscribe.audit_label
    ADD COLUMN catalogue       text,
    ADD COLUMN published       boolean,
    ADD COLUMN flags           text[],
    ADD COLUMN probability     real,
    ADD COLUMN matcher_digest  text;     -- of the matcher that gave the probability; NULL if it is not known

UPDATE skuscribe.audit_label l
SET catalogue = d.catalogue, published = d.published, flags = d.flags, probability = d.probability
FROM skuscribe.description d
WHERE d.batch = l.batch AND d.uid = l.uid AND skuscribe.text_digest(d.title, d.description) = l.text_digest;

COMMENT ON TABLE skuscribe.audit_label IS
    'What people said about texts. catalogue, published, flags, probability and matcher_digest are those of the text when it was '
    'labelled. matcher_digest is NULL in labels of earlier versions, and the others in those of texts that the batch no longer had.';

-- `outdated` makes visible that the labels are no random sample any more: their batch was described again, and lost some texts.
CREATE OR REPLACE VIEW skuscribe.audit_result AS
SELECT s.batch, s.verdict, s.labelled, s.labelled_right, s.share_right, w.low, w.high, l.labels - s.labelled_texts AS outdated
FROM (
    SELECT batch,
           CASE WHEN published THEN 'published' ELSE 'held back' END        AS verdict,
           count(*)                                                         AS labelled,
           count(*) FILTER (WHERE label = 'right')                          AS labelled_right,
           coalesce(sum(weight) FILTER (WHERE label = 'right'), 0) / sum(weight) AS share_right,
           sum(weight) ^ 2 / sum(weight ^ 2)                                AS effective,
           (sum(count(*)) OVER (PARTITION BY batch))::bigint                AS labelled_texts
    FROM skuscribe.audited
    GROUP BY batch, published
) AS s
JOIN (SELECT batch, count(*) AS labels FROM skuscribe.audit_label GROUP BY batch) AS l USING (batch)
CROSS JOIN LATERAL skuscribe.wilson(s.share_right, s.effective) AS w
ORDER BY s.batch, s.verdict DESC;

COMMENT ON VIEW skuscribe.audit_result IS
    'Share of right texts by batch, among those published and those held back, with its 95 % interval. outdated: labels of texts that '
    'the batch no longer has; if there are any, the others are no random sample of it.';

COMMENT ON COLUMN skuscribe.description.neighbours IS
    'uids of the retrieved neighbours, nearest first: those in the prompt, and those that the text was only checked against.';
COMMENT ON FUNCTION skuscribe.grounding IS
    'The retrieved neighbours that a description was written with or checked against, nearest first, with their texts.';
COMMENT ON COLUMN skuscribe.alternative.word IS 'One or two words of a title, in lower case.';
