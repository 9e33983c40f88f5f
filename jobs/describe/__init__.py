"""The job `describe`: a checked description for each title."""
