-- Remove the vectors that the table has now, and those that no build has used within a week.
DELETE FROM skuscribe.embedded e
WHERE EXISTS (SELECT FROM skuscribe.{table} p WHERE p.content_hash = e.content_hash)
   OR e.created < now() - interval '7 days';
