-- The uids of the given rows that a batch lacks, or has with another value in any column. Numbers are compared as the columns
-- store them: real has fewer digits. LIMIT makes each row an index scan: statistics of new rows are missing.
SELECT given.uid
FROM jsonb_to_recordset(%(rows)s) AS given (
    uid text, title text, description text, flags text[], published boolean, neighbours text[], neighbour_similarities float8[],
    repetition float8, grounding float8, copying float8, length_words integer, ended boolean, model_digest text, retries integer,
    error text, probability float8, evidence text
)
LEFT JOIN LATERAL (SELECT * FROM skuscribe.description d WHERE d.batch = %(batch)s AND d.uid = given.uid LIMIT 1) stored ON true
WHERE stored.uid IS NULL OR (
    stored.title, stored.description, stored.flags, stored.published, stored.neighbours, stored.neighbour_similarities,
    stored.repetition, stored.grounding, stored.copying, stored.length_words, stored.ended, stored.model_digest, stored.retries,
    stored.error, stored.probability, stored.evidence
) IS DISTINCT FROM (
    given.title, given.description, given.flags, given.published, given.neighbours, given.neighbour_similarities::real[],
    given.repetition::real, given.grounding::real, given.copying::real, given.length_words, given.ended, given.model_digest,
    given.retries, given.error, given.probability::real, coalesce(given.evidence, '{}')::jsonb
);
