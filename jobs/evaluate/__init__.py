"""The job `evaluate`: every stage of a run answers the same questions, and the answers are scored."""
