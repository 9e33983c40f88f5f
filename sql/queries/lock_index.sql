-- One builder of a catalogue at a time, for as long as this session lasts; a second one waits here.
SELECT pg_advisory_lock(hashtextextended('skuscribe.index.' || %(catalogue)s, 0));
