"""From raw rows to a catalogue: reading, cleaning, duplicates, splits."""
