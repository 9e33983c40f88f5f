SELECT d.uid, d.title, d.description, d.published, d.flags, d.evidence, d.probability,
       skuscribe.text_digest(d.title, d.description),
       coalesce(shown.neighbours, '[]')
FROM skuscribe.description d
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('title', p.title, 'text', left(p.content, %(neighbour_characters)s)) ORDER BY n.rank)
    FROM unnest(d.neighbours) WITH ORDINALITY AS n (uid, rank)
    CROSS JOIN LATERAL (
        SELECT title, content FROM skuscribe.product
        WHERE catalogue = d.catalogue AND uid = n.uid
        ORDER BY row LIMIT 1
    ) AS p
) AS shown (neighbours) ON true
WHERE d.batch = %(batch)s AND d.uid = ANY (%(uids)s);
