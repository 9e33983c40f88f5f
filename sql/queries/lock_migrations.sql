-- One migration of this database at a time; the lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('skuscribe.migrate', 0));
