"""The command `artifacts`."""
