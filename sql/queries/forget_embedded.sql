-- They have arrived; and what nobody fetched within a week is of a catalogue that was never built.
DELETE FROM skuscribe.embedded e
WHERE EXISTS (SELECT FROM skuscribe.{table} p WHERE p.content_hash = e.content_hash)
   OR e.created < now() - interval '7 days';
