"""The command `delete`."""
