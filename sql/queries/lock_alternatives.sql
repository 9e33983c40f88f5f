-- Wait until no other process replaces the alternatives of the catalogue. The lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('skuscribe.alternative ' || %(catalogue)s, 0));
