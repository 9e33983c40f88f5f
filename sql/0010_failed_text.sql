-- A failure says which text failed, because a corrected text of the same product has not failed.
ALTER TABLE skuscribe.failure
    ADD COLUMN content_hash bytea;  -- of index: as in skuscribe.product; null if unknown, and if the text cannot be stored

-- The settings of a search end with it. They were those of the caller's transaction until its end. SET clauses of the function would do
-- the same, but a role that may not set them before pgvector is loaded could not restore a dump.

-- A search uses the HNSW index only if it has the same cast as the index (0001_schema.sql). The dimension in the cast differs
-- by catalogue, so the text of the query is made with format() and run with EXECUTE.
CREATE OR REPLACE FUNCTION skuscribe.nearest_to(
    of_catalogue text, query halfvec, k integer DEFAULT 10, of_splits text[] DEFAULT NULL, not_cluster bigint DEFAULT NULL,
    not_uid text DEFAULT NULL
) RETURNS TABLE (uid text, title text, content text, split text, cluster bigint, similarity real)
LANGUAGE plpgsql AS $function$
DECLARE
    settings skuscribe.catalogue := skuscribe.require_catalogue(of_catalogue);
    changed text[] := ARRAY['hnsw.ef_search', 'hnsw.iterative_scan', 'hnsw.max_scan_tuples', 'hnsw.scan_mem_multiplier'];
    before text[];
BEGIN
    IF query IS NULL THEN  -- every product is at the distance NULL, so any k of them would be returned
        RAISE EXCEPTION 'the vector to search with is NULL'
            USING HINT = 'A product without a vector is in skuscribe.failure with the reason: search with another product.',
                  ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM vector_dims(query);  -- loads pgvector, which defines the settings
    before := ARRAY(SELECT current_setting(name) FROM unnest(changed) WITH ORDINALITY AS c (name, number) ORDER BY number);
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
    PERFORM set_config(name, value, true) FROM unnest(changed, before) AS saved (name, value);
END $function$;
