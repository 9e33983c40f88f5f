"""Postgres: connections, migrations and named statements."""
