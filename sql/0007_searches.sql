-- Searches with one answer only, and views that do not sort vectors.

-- A search uses the HNSW index only if it has the same cast as the index (0001_schema.sql). The dimension in the cast differs
-- by catalogue, so the text of the query is made with format() and run with EXECUTE.
CREATE OR REPLACE FUNCTION skuscribe.nearest_to(
    of_catalogue text, query halfvec, k integer DEFAULT 10, of_splits text[] DEFAULT NULL, not_cluster bigint DEFAULT NULL,
    not_uid text DEFAULT NULL
) RETURNS TABLE (uid text, title text, content text, split text, cluster bigint, similarity real)
LANGUAGE plpgsql AS $function$
DECLARE
    settings skuscribe.catalogue;
BEGIN
    SELECT * INTO settings FROM skuscribe.catalogue c WHERE c.catalogue = of_catalogue AND c.generation > 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no catalogue % is indexed', quote_literal(of_catalogue)
            USING HINT = 'SELECT catalogue FROM skuscribe.catalogue', ERRCODE = 'no_data_found';
    END IF;
    IF query IS NULL THEN  -- every product is at the distance NULL, so any k of them would be returned
        RAISE EXCEPTION 'the vector to search with is NULL'
            USING HINT = 'A product without a vector is in skuscribe.failure with the reason: search with another product.',
                  ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM set_config('hnsw.ef_search', settings.ef_search::text, true);
    -- A filter must not leave fewer than k: the search continues until it has them, or has seen every product. Strict order would
    -- leave out those that are found late. What is found is sorted below.
    PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true);
    PERFORM set_config('hnsw.max_scan_tuples', '2147483647', true);
    PERFORM set_config('hnsw.scan_mem_multiplier', '1000', true);
    -- The index returns products at the same distance in any order. With 8 more than k, they are in the order of their uids unless
    -- more than 9 are as near as the last one.
    RETURN QUERY EXECUTE format($query$
        SELECT * FROM (
            SELECT p.uid, p.title, p.content, p.split, p.cluster, (1 - (p.embedding::halfvec(%1$s) <=> $1))::real AS similarity
            FROM skuscribe.product p
            WHERE p.catalogue = $2 AND p.embedding IS NOT NULL
              AND ($3 IS NULL OR p.split = ANY ($3))
              AND ($4 IS NULL OR p.cluster <> $4)
              AND ($5 IS NULL OR p.uid <> $5)
            ORDER BY p.embedding::halfvec(%1$s) <=> $1
            LIMIT $6::bigint + 8
        ) AS found
        ORDER BY found.similarity DESC, found.uid
        LIMIT $6$query$, settings.dimensions)
    USING query, of_catalogue, of_splits, not_cluster, not_uid, k;
END $function$;

COMMENT ON FUNCTION skuscribe.nearest_to IS
    'The k products nearest to a vector, nearest first, those at the same distance by uid. similarity is the cosine of the two vectors.';

CREATE OR REPLACE FUNCTION skuscribe.nearest(
    of_catalogue text, of_uid text, k integer DEFAULT 10, other_clusters boolean DEFAULT false
) RETURNS TABLE (uid text, title text, split text, same_cluster boolean, similarity real)
LANGUAGE sql AS $function$
    SELECT n.uid, n.title, n.split, n.cluster = p.cluster, n.similarity
    FROM (SELECT * FROM skuscribe.product WHERE catalogue = of_catalogue AND uid = of_uid ORDER BY row LIMIT 1) p
    CROSS JOIN LATERAL skuscribe.nearest_to(
        of_catalogue, p.embedding, k, NULL, CASE WHEN other_clusters THEN p.cluster END, p.uid
    ) n
    ORDER BY n.similarity DESC, n.uid
$function$;

COMMENT ON FUNCTION skuscribe.nearest IS
    'The k products nearest to a product of the catalogue, without the product itself; an error if it has no vector.';

-- Each product takes one search, so only `asked` of them are searched for, in the order of their hashes; NULL for all.
CREATE OR REPLACE FUNCTION skuscribe.duplicates(of_catalogue text, at_least real DEFAULT 0.95, asked integer DEFAULT 1000)
RETURNS TABLE (uid text, title text, other_uid text, other_title text, same_cluster boolean, similarity real)
LANGUAGE sql AS $function$
    WITH sample AS MATERIALIZED (
        SELECT * FROM skuscribe.product
        WHERE catalogue = of_catalogue AND embedding IS NOT NULL
        ORDER BY content_hash, row
        LIMIT asked
    ), pairs AS (
        SELECT s.uid, s.title, n.uid AS other_uid, n.title AS other_title, n.cluster = s.cluster AS same_cluster, n.similarity
        FROM sample s
        CROSS JOIN LATERAL skuscribe.nearest_to(of_catalogue, s.embedding, 5, NULL, NULL, s.uid) n
        WHERE n.similarity >= at_least
    )
    SELECT DISTINCT ON (least(uid, other_uid), greatest(uid, other_uid)) *
    FROM pairs
    ORDER BY least(uid, other_uid), greatest(uid, other_uid), uid, title, other_title, similarity DESC
$function$;

-- OFFSET 0 keeps the subqueries of the next two views as they are: what is sorted and grouped then has no vectors, which are most
-- of a product's bytes. A subquery for each catalogue lets a condition on the catalogue read only its partition.
CREATE OR REPLACE VIEW skuscribe.coverage AS
SELECT c.catalogue,
       p.split,
       count(*)                                                 AS products,
       count(*) FILTER (WHERE p.has_vector)                     AS embedded,
       count(*) FILTER (WHERE NOT p.has_vector)                 AS missing,
       count(DISTINCT p.cluster)                                AS clusters
FROM skuscribe.catalogue c
CROSS JOIN LATERAL (
    SELECT split, cluster, embedding IS NOT NULL AS has_vector
    FROM skuscribe.product WHERE catalogue = c.catalogue OFFSET 0
) AS p
GROUP BY c.catalogue, p.split
ORDER BY c.catalogue, p.split;

CREATE OR REPLACE VIEW skuscribe.norms AS
SELECT c.catalogue,
       p.dimensions,
       count(*)                                     AS vectors,
       round(min(p.length)::numeric, 4)             AS shortest,
       round(avg(p.length)::numeric, 4)             AS mean,
       round(max(p.length)::numeric, 4)             AS longest
FROM skuscribe.catalogue c
CROSS JOIN LATERAL (
    SELECT vector_dims(embedding) AS dimensions, l2_norm(embedding) AS length
    FROM skuscribe.product WHERE catalogue = c.catalogue AND embedding IS NOT NULL OFFSET 0
) AS p
GROUP BY c.catalogue, p.dimensions
ORDER BY c.catalogue, p.dimensions;

-- `represented` and `texts` make visible how much of the batch the labels are about: they differ if a reason has no label, or if
-- the batch has got or lost texts since the sample was drawn.
CREATE OR REPLACE VIEW skuscribe.audit_result AS
SELECT s.batch, s.verdict, s.labelled, s.labelled_right, s.share_right, w.low, w.high, l.labels - s.labelled_texts AS outdated,
       s.represented, t.texts
FROM (
    SELECT batch,
           published,
           CASE WHEN published THEN 'published' ELSE 'held back' END        AS verdict,
           count(*)                                                         AS labelled,
           count(*) FILTER (WHERE label = 'right')                          AS labelled_right,
           coalesce(sum(weight) FILTER (WHERE label = 'right'), 0) / sum(weight) AS share_right,
           sum(weight) ^ 2 / sum(weight ^ 2)                                AS effective,
           (sum(count(*)) OVER (PARTITION BY batch))::bigint                AS labelled_texts,
           round(sum(weight))::bigint                                       AS represented
    FROM skuscribe.audited
    GROUP BY batch, published
) AS s
JOIN (SELECT batch, count(*) AS labels FROM skuscribe.audit_label GROUP BY batch) AS l USING (batch)
CROSS JOIN LATERAL (
    SELECT count(*) AS texts
    FROM skuscribe.description d
    WHERE d.batch = s.batch AND d.published = s.published AND d.error IS NULL AND d.description <> ''
) AS t
CROSS JOIN LATERAL skuscribe.wilson(s.share_right, s.effective) AS w
ORDER BY s.batch, s.verdict DESC;

COMMENT ON VIEW skuscribe.audit_result IS
    'Share of right texts by batch, among those published and those held back, with its 95 % interval. outdated: labels of texts that '
    'the batch no longer has; if there are any, the others are no random sample of it. represented: texts that the labels are a sample '
    'of, by the sizes of their strata when it was drawn; texts: those that the batch has.';
COMMENT ON COLUMN skuscribe.audit_result.represented IS 'Sum of the weights of the labels.';
COMMENT ON COLUMN skuscribe.audit_result.texts IS 'Texts of the batch with this verdict, without failed and empty ones.';
