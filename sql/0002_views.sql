-- Views and functions for people who query the database, described in 0003_comments.sql. On 50,000 products each is fast: one
-- pass over the products, or some searches of the index.

CREATE VIEW skuscribe.coverage AS
SELECT p.catalogue,
       p.split,
       count(*)                                                 AS products,
       count(p.embedding)                                       AS embedded,
       count(*) - count(p.embedding)                            AS missing,
       count(DISTINCT p.cluster)                                AS clusters
FROM skuscribe.product p
GROUP BY p.catalogue, p.split
ORDER BY p.catalogue, p.split;

CREATE VIEW skuscribe.norms AS
SELECT p.catalogue,
       vector_dims(p.embedding)                    AS dimensions,
       count(*)                                    AS vectors,
       round(min(l2_norm(p.embedding))::numeric, 4) AS shortest,
       round(avg(l2_norm(p.embedding))::numeric, 4) AS mean,
       round(max(l2_norm(p.embedding))::numeric, 4) AS longest
FROM skuscribe.product p
WHERE p.embedding IS NOT NULL
GROUP BY p.catalogue, vector_dims(p.embedding)
ORDER BY p.catalogue, dimensions;

CREATE VIEW skuscribe.index_size AS
SELECT c.catalogue,
       c.generation,
       b.rows                                                                      AS products,
       c.dimensions,
       pg_size_pretty(b.index_bytes)                                               AS index_size,
       pg_size_pretty(b.table_bytes)                                               AS table_size,
       c.ef_search,
       round((b.recall_at_10 ->> c.ef_search::text)::numeric, 4)                   AS recall_at_10,
       b.created
FROM skuscribe.catalogue c
JOIN skuscribe.index_build b USING (catalogue, generation)
ORDER BY c.catalogue;

CREATE VIEW skuscribe.recall AS
SELECT b.catalogue,
       b.generation,
       measured.key::integer                      AS ef_search,
       round(measured.value::numeric, 4)          AS recall_at_10,
       measured.key::integer = b.ef_search        AS chosen,
       b.recall_queries                           AS queries
FROM skuscribe.index_build b
CROSS JOIN LATERAL jsonb_each_text(b.recall_at_10) AS measured
ORDER BY b.catalogue, b.generation, ef_search;

CREATE VIEW skuscribe.index_builds AS
SELECT b.catalogue, b.generation, b.encoder, b.m, b.ef_construction, b.rows AS products, b.vectors_new, b.rows_removed,
       round(b.seconds::numeric, 1) AS seconds, round(b.index_seconds::numeric, 1) AS index_seconds, b.created
FROM skuscribe.index_build b
ORDER BY b.created DESC;

CREATE VIEW skuscribe.flagged AS
SELECT d.batch,
       reason,
       count(*)                                                     AS descriptions,
       round(count(*)::numeric / max(whole.descriptions), 4)        AS share,
       min(d.uid)                                                   AS example_uid
FROM skuscribe.description d
CROSS JOIN LATERAL unnest(d.flags) AS reason
JOIN (SELECT batch, count(*) AS descriptions FROM skuscribe.description GROUP BY batch) AS whole USING (batch)
GROUP BY d.batch, reason
ORDER BY d.batch, descriptions DESC, reason;

-- A search uses the HNSW index only if it has the same cast as the index (0001_schema.sql). The dimension in the cast differs
-- by catalogue, so the text of the query is made with format() and run with EXECUTE.
CREATE FUNCTION skuscribe.nearest_to(
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
    PERFORM set_config('hnsw.ef_search', settings.ef_search::text, true);
    PERFORM set_config('hnsw.iterative_scan', 'strict_order', true);  -- a filter must not leave fewer than k
    RETURN QUERY EXECUTE format($query$
        SELECT p.uid, p.title, p.content, p.split, p.cluster, (1 - (p.embedding::halfvec(%1$s) <=> $1))::real
        FROM skuscribe.product p
        WHERE p.catalogue = $2 AND p.embedding IS NOT NULL
          AND ($3 IS NULL OR p.split = ANY ($3))
          AND ($4 IS NULL OR p.cluster <> $4)
          AND ($5 IS NULL OR p.uid <> $5)
        ORDER BY p.embedding::halfvec(%1$s) <=> $1
        LIMIT $6$query$, settings.dimensions)
    USING query, of_catalogue, of_splits, not_cluster, not_uid, k;
END $function$;

CREATE FUNCTION skuscribe.nearest(of_catalogue text, of_uid text, k integer DEFAULT 10, other_clusters boolean DEFAULT false)
RETURNS TABLE (uid text, title text, split text, same_cluster boolean, similarity real)
LANGUAGE sql AS $function$
    SELECT n.uid, n.title, n.split, n.cluster = p.cluster, n.similarity
    FROM (SELECT * FROM skuscribe.product WHERE catalogue = of_catalogue AND uid = of_uid LIMIT 1) p
    CROSS JOIN LATERAL skuscribe.nearest_to(
        of_catalogue, p.embedding, k, NULL, CASE WHEN other_clusters THEN p.cluster END, p.uid
    ) n
    ORDER BY n.similarity DESC
$function$;

-- Each product takes one search, so only `asked` of them are searched for, in the order of their hashes; NULL for all.
CREATE FUNCTION skuscribe.duplicates(of_catalogue text, at_least real DEFAULT 0.95, asked integer DEFAULT 1000)
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
    ORDER BY least(uid, other_uid), greatest(uid, other_uid)
$function$;

CREATE FUNCTION skuscribe.outliers(of_catalogue text, k integer DEFAULT 10)
RETURNS TABLE (uid text, title text, split text, similarity_to_centroid real)
LANGUAGE sql STABLE AS $function$
    SELECT p.uid, p.title, p.split, (1 - (p.embedding <=> whole.centroid))::real
    FROM skuscribe.product p,
         (SELECT avg(embedding) AS centroid FROM skuscribe.product WHERE catalogue = of_catalogue) AS whole
    WHERE p.catalogue = of_catalogue AND p.embedding IS NOT NULL
    ORDER BY p.embedding <=> whole.centroid DESC
    LIMIT k
$function$;

CREATE FUNCTION skuscribe.grounding(of_uid text, of_batch text DEFAULT NULL)
RETURNS TABLE (batch text, description text, rank bigint, neighbour text, similarity real, title text, content text)
LANGUAGE sql STABLE AS $function$
    SELECT d.batch, d.description, neighbour.rank, neighbour.uid, d.neighbour_similarities[neighbour.rank], p.title, p.content
    FROM skuscribe.description d
    CROSS JOIN LATERAL unnest(d.neighbours) WITH ORDINALITY AS neighbour (uid, rank)
    LEFT JOIN skuscribe.product p ON p.catalogue = d.catalogue AND p.uid = neighbour.uid
    WHERE d.uid = of_uid AND (of_batch IS NULL OR d.batch = of_batch)
    ORDER BY d.batch, neighbour.rank
$function$;
