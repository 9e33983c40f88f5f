"""The job `prepare`: raw rows to a catalogue."""
