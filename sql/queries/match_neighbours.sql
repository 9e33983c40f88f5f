-- Products with the titles and texts of their nearest training products of other clusters, nearest first. Of those at the same
-- distance, the jobs take the first by code points, as COLLATE "C" sorts.
SELECT p.uid, p.title, p.content, p.cluster,
       coalesce((
           array_agg(n.title ORDER BY n.similarity DESC, n.uid COLLATE "C") FILTER (WHERE n.uid IS NOT NULL)
       )[:%(neighbours)s], '{}'),
       coalesce((
           array_agg(n.content ORDER BY n.similarity DESC, n.uid COLLATE "C") FILTER (WHERE n.uid IS NOT NULL)
       )[:%(neighbours)s], '{}')
FROM skuscribe.product p
LEFT JOIN LATERAL skuscribe.nearest_to(%(catalogue)s, p.embedding, %(searched)s, ARRAY['train'], p.cluster, p.uid) n ON true
WHERE p.catalogue = %(catalogue)s AND p.split = %(split)s AND p.row = ANY (%(rows)s)
GROUP BY p.row, p.uid, p.title, p.content, p.cluster
ORDER BY array_position(%(rows)s, p.row);
