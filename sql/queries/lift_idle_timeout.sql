-- The process of the server, with idle_session_timeout lifted in a session of our own, which the process tells from a session of a
-- pool. The latter belongs to others too, so its timeout stays.
SELECT pg_backend_pid(), set_config(
    'idle_session_timeout',
    CASE WHEN pg_backend_pid() = %(pid)s THEN '0' ELSE current_setting('idle_session_timeout') END,
    pg_backend_pid() <> %(pid)s
);
