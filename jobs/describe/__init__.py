"""The job `describe`: titles to checked descriptions."""
