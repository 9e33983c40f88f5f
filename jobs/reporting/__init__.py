"""The history of a run, worded, drawn and published."""
