-- What people say about a sample of a batch: `skuscribe audit`.

-- Identifies a text together with its title, because a label is about both.
CREATE FUNCTION skuscribe.text_digest(title text, description text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $function$
    SELECT encode(sha256(convert_to(title || E'\n' || description, 'UTF8')), 'hex')
$function$;

COMMENT ON FUNCTION skuscribe.text_digest IS 'The SHA-256 of a title and its description, in hexadecimal.';

-- The latest label of each text. A label stays when its batch is described again, and counts while the batch has its text.
CREATE TABLE skuscribe.audit_label (
    batch         text NOT NULL,
    uid           text NOT NULL,
    text_digest   text NOT NULL,              -- of the text that the person saw
    label         text NOT NULL CHECK (label IN ('right', 'wrong')),
    note          text NOT NULL DEFAULT '',
    auditor       text NOT NULL DEFAULT '',
    stratum       text NOT NULL,              -- `published`, or the reason by which the sample was stratified
    stratum_rows  bigint NOT NULL CHECK (stratum_rows > 0),  -- texts of the stratum in the batch when the sample was drawn
    created       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch, uid, text_digest)
);

-- A stratum is a simple random sample, of which all or some rows are labelled: each stands for stratum_rows / labelled texts.
CREATE VIEW skuscribe.audited AS
SELECT l.batch, d.catalogue, l.uid, d.title, d.description, l.label, l.note, l.auditor, d.published, d.flags, d.probability,
       l.stratum, l.stratum_rows,
       l.stratum_rows::float8 / count(*) OVER (PARTITION BY l.batch, l.stratum) AS weight,
       l.created
FROM skuscribe.audit_label l
JOIN skuscribe.description d ON d.batch = l.batch AND d.uid = l.uid
WHERE skuscribe.text_digest(d.title, d.description) = l.text_digest;

COMMENT ON VIEW skuscribe.audited IS
    'The labelled texts that a batch has now. weight is the number of texts of the batch that a labelled one represents.';

CREATE FUNCTION skuscribe.wilson(share float8, n float8, OUT low float8, OUT high float8)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $function$
    SELECT CASE WHEN share <= 0 THEN 0 ELSE (centre - half) / divisor END,
           CASE WHEN share >= 1 THEN 1 ELSE (centre + half) / divisor END
    FROM (SELECT 1.959963984540054 ^ 2 AS z2) AS normal,
         LATERAL (SELECT share + z2 / (2 * n) AS centre,
                         sqrt(z2 * (greatest(share * (1 - share), 0) / n + z2 / (4 * n * n))) AS half,
                         1 + z2 / n AS divisor) AS parts
$function$;

COMMENT ON FUNCTION skuscribe.wilson IS 'The 95 % Wilson interval of a share of n observations.';

-- The published texts are one stratum, so their weights are equal: the share is the plain one and its interval the plain Wilson
-- interval. Texts that are held back come from several strata with different weights: their share is weighted, and the
-- interval is that of the effective number of labels, (sum of weights)^2 / sum of squared weights (Kish 1965).
CREATE VIEW skuscribe.audit_result AS
SELECT s.batch, s.verdict, s.labelled, s.labelled_right, s.share_right, w.low, w.high
FROM (
    SELECT batch,
           CASE WHEN published THEN 'published' ELSE 'held back' END        AS verdict,
           count(*)                                                         AS labelled,
           count(*) FILTER (WHERE label = 'right')                          AS labelled_right,
           coalesce(sum(weight) FILTER (WHERE label = 'right'), 0) / sum(weight) AS share_right,
           sum(weight) ^ 2 / sum(weight ^ 2)                                AS effective
    FROM skuscribe.audited
    GROUP BY batch, published
) AS s
CROSS JOIN LATERAL skuscribe.wilson(s.share_right, s.effective) AS w
ORDER BY s.batch, s.verdict DESC;

COMMENT ON VIEW skuscribe.audit_result IS
    'Share of right texts by batch, among those published and those held back, with its 95 % interval.';

CREATE VIEW skuscribe.audit_by_reason AS
SELECT s.batch, s.reason, s.labelled, s.labelled_wrong, s.share_wrong, w.low, w.high
FROM (
    SELECT a.batch,
           flag.reason,
           count(*)                                                           AS labelled,
           count(*) FILTER (WHERE a.label = 'wrong')                          AS labelled_wrong,
           coalesce(sum(a.weight) FILTER (WHERE a.label = 'wrong'), 0) / sum(a.weight) AS share_wrong,
           sum(a.weight) ^ 2 / sum(a.weight ^ 2)                              AS effective
    FROM skuscribe.audited a
    CROSS JOIN LATERAL unnest(a.flags) AS flag (reason)
    GROUP BY a.batch, flag.reason
) AS s
CROSS JOIN LATERAL skuscribe.wilson(s.share_wrong, s.effective) AS w
ORDER BY s.batch, s.labelled DESC, s.reason;

COMMENT ON VIEW skuscribe.audit_by_reason IS
    'How often a reason to hold a text back is right, by batch: the share of wrong texts among those with the reason.';
