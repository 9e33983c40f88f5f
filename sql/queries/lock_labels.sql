-- Wait until no other process stores labels. The lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('skuscribe.audit', 0));
