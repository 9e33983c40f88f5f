-- An error for a uid that the catalogue does not have, where `nearest` returned no rows, as if the product had no neighbours.

CREATE FUNCTION skuscribe.require_product(of_catalogue text, of_uid text) RETURNS skuscribe.product
LANGUAGE plpgsql STABLE AS $function$
DECLARE
    found_product skuscribe.product;
BEGIN
    PERFORM skuscribe.require_catalogue(of_catalogue);
    SELECT * INTO found_product FROM skuscribe.product p WHERE p.catalogue = of_catalogue AND p.uid = of_uid ORDER BY p.row LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'catalogue % has no product with the uid %', quote_nullable(of_catalogue), quote_nullable(of_uid)
            USING HINT = 'SELECT uid, title FROM skuscribe.product WHERE catalogue = ... AND title ILIKE ... finds it by its title.',
                  ERRCODE = 'no_data_found';
    END IF;
    RETURN found_product;
END $function$;

COMMENT ON FUNCTION skuscribe.require_product IS
    'A product of an indexed catalogue, the first one if a uid occurs more than once; an error if there is none.';

CREATE OR REPLACE FUNCTION skuscribe.nearest(
    of_catalogue text, of_uid text, k integer DEFAULT 10, other_clusters boolean DEFAULT false
) RETURNS TABLE (uid text, title text, split text, same_cluster boolean, similarity real)
LANGUAGE sql AS $function$
    SELECT n.uid, n.title, n.split, n.cluster = p.cluster, n.similarity
    FROM skuscribe.require_product(of_catalogue, of_uid) p
    CROSS JOIN LATERAL skuscribe.nearest_to(
        of_catalogue, p.embedding, k, NULL, CASE WHEN other_clusters THEN p.cluster END, p.uid
    ) n
    ORDER BY n.similarity DESC, n.uid COLLATE "C"
$function$;
