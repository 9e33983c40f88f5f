"""T5 and how it is trained."""
