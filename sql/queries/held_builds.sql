-- The sessions that hold the lock of a catalogue's build (jobs/index/job.py), and for how long.
SELECT c.catalogue, l.pid, a.usename, extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change))::integer
FROM skuscribe.catalogue c
JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted
    AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('skuscribe.index.' || c.catalogue, 0)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN pg_stat_activity a USING (pid)
ORDER BY c.catalogue;
