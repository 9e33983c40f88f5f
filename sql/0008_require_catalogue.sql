-- One error for a catalogue that is not indexed, and an order of rows that depends neither on the database's locale nor on the plan.

CREATE FUNCTION skuscribe.require_catalogue(of_catalogue text) RETURNS skuscribe.catalogue
LANGUAGE plpgsql STABLE AS $function$
DECLARE
    indexed skuscribe.catalogue;
BEGIN
    SELECT * INTO indexed FROM skuscribe.catalogue c WHERE c.catalogue = of_catalogue AND c.generation > 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no catalogue % is indexed', quote_nullable(of_catalogue)
            USING HINT = 'SELECT catalogue FROM skuscribe.catalogue WHERE generation > 0 lists those that are.',
                  ERRCODE = 'no_data_found';
    END IF;
    RETURN indexed;
END $function$;

COMMENT ON FUNCTION skuscribe.require_catalogue IS
    'The row of an indexed catalogue, which may have no products; an error if no index of that name has been built.';

-- A search uses the HNSW index only if it has the same cast as the index (0001_schema.sql). The dimension in the cast differs
-- by catalogue, so the text of the query is made with format() and run with EXECUTE.
CREATE OR REPLACE FUNCTION skuscribe.nearest_to(
    of_catalogue text, query halfvec, k integer DEFAULT 10, of_splits text[] DEFAULT NULL, not_cluster bigint DEFAULT NULL,
    not_uid text DEFAULT NULL
) RETURNS TABLE (uid text, title text, content text, split text, cluster bigint, similarity real)
LANGUAGE plpgsql AS $function$
DECLARE
    settings skuscribe.catalogue := skuscribe.require_catalogue(of_catalogue);
BEGIN
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
    -- more than 9 are as near as the last one. The jobs compare uids by code points, as COLLATE "C" does.
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
        ORDER BY found.similarity DESC, found.uid COLLATE "C"
        LIMIT $6$query$, settings.dimensions)
    USING query, of_catalogue, of_splits, not_cluster, not_uid, k;
END $function$;

CREATE OR REPLACE FUNCTION skuscribe.nearest(
    of_catalogue text, of_uid text, k integer DEFAULT 10, other_clusters boolean DEFAULT false
) RETURNS TABLE (uid text, title text, split text, same_cluster boolean, similarity real)
LANGUAGE sql AS $function$
    SELECT skuscribe.require_catalogue(of_catalogue);
    SELECT n.uid, n.title, n.split, n.cluster = p.cluster, n.similarity
    FROM (SELECT * FROM skuscribe.product WHERE catalogue = of_catalogue AND uid = of_uid ORDER BY row LIMIT 1) p
    CROSS JOIN LATERAL skuscribe.nearest_to(
        of_catalogue, p.embedding, k, NULL, CASE WHEN other_clusters THEN p.cluster END, p.uid
    ) n
    ORDER BY n.similarity DESC, n.uid COLLATE "C"
$function$;

-- Each product takes one search, so only `asked` of them are searched for, in the order of their hashes; NULL for all.
CREATE OR REPLACE FUNCTION skuscribe.duplicates(of_catalogue text, at_least real DEFAULT 0.95, asked integer DEFAULT 1000)
RETURNS TABLE (uid text, title text, other_uid text, other_title text, same_cluster boolean, similarity real)
LANGUAGE sql AS $function$
    SELECT skuscribe.require_catalogue(of_catalogue);
    WITH sample AS MATERIALIZED (
        SELECT * FROM skuscribe.product
        WHERE catalogue = of_catalogue AND embedding IS NOT NULL
        ORDER BY content_hash, row
        LIMIT asked
    ), pairs AS (
        SELECT s.uid COLLATE "C" AS uid, s.title, n.uid COLLATE "C" AS other_uid, n.title AS other_title,
               n.cluster = s.cluster AS same_cluster, n.similarity
        FROM sample s
        CROSS JOIN LATERAL skuscribe.nearest_to(of_catalogue, s.embedding, 5, NULL, NULL, s.uid) n
        WHERE n.similarity >= at_least
    )
    SELECT DISTINCT ON (least(uid, other_uid), greatest(uid, other_uid)) *
    FROM pairs
    ORDER BY least(uid, other_uid), greatest(uid, other_uid), uid, title COLLATE "C", other_title COLLATE "C", similarity DESC
$function$;

CREATE OR REPLACE FUNCTION skuscribe.outliers(of_catalogue text, k integer DEFAULT 10)
RETURNS TABLE (uid text, title text, split text, similarity_to_centroid real)
LANGUAGE sql STABLE AS $function$
    SELECT skuscribe.require_catalogue(of_catalogue);
    SELECT p.uid, p.title, p.split, (1 - (p.embedding <=> whole.centroid))::real AS similarity
    FROM skuscribe.product p,
         (SELECT avg(embedding) AS centroid FROM skuscribe.product WHERE catalogue = of_catalogue) AS whole
    WHERE p.catalogue = of_catalogue AND p.embedding IS NOT NULL
    ORDER BY similarity, p.uid COLLATE "C", p.row
    LIMIT k
$function$;

COMMENT ON FUNCTION skuscribe.outliers IS
    'The k products least similar to the mean vector of their catalogue, least similar first, those that are as similar by uid.';

-- A catalogue with alternatives exists. One without any is an error only if it is not indexed: `match` may not have learnt from it yet,
-- or no two of its titles differ in one phrase only.
CREATE OR REPLACE FUNCTION skuscribe.alternatives(of_catalogue text, of_word text)
RETURNS TABLE (other text, pairs integer, example text, example_other text)
LANGUAGE sql STABLE AS $function$
    SELECT skuscribe.require_catalogue(of_catalogue)
    WHERE NOT EXISTS (SELECT FROM skuscribe.alternative a WHERE a.catalogue = of_catalogue);
    SELECT a.other, a.pairs, a.example, a.example_other
    FROM skuscribe.alternative a
    -- lower() changes what the locale of the database lowers: only ASCII with the LC_CTYPE C. A word as it is stored is always found.
    WHERE a.catalogue = of_catalogue AND a.word IN (of_word, lower(of_word))
    ORDER BY a.pairs DESC, a.other COLLATE "C"
$function$;
