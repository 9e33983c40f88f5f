DELETE FROM skuscribe.failure f
WHERE job = %(job)s AND scope = %(scope)s
    AND NOT EXISTS (SELECT FROM unnest(%(kept)s::text[]) AS kept (uid) WHERE kept.uid = f.uid);
