DELETE FROM skuscribe.description d
WHERE batch = %(batch)s AND NOT EXISTS (SELECT FROM unnest(%(kept)s::text[]) AS kept (uid) WHERE kept.uid = d.uid);
