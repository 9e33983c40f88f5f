"""From titles to checked descriptions."""
