"""The job `prepare`: raw rows into a catalogue."""
