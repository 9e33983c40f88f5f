-- The sessions that hold the locks which a session waits for. Other roles' state and address are visible to pg_read_all_stats.
SELECT a.pid, a.usename, a.application_name, host(a.client_addr), a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::integer
FROM unnest(pg_blocking_pids(%(pid)s)) AS blocking (pid)
JOIN pg_stat_activity a USING (pid)
ORDER BY a.pid;
