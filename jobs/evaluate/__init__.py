"""The job `evaluate`: the same questions answered by every stage of a run."""
