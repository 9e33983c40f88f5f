"""Connections to a test's database as the roles that jobs don't use."""

from typing import Any

import psycopg

from jobs.local import postgres


def superuser(database: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """Return a connection as the superuser of the local server."""
    return psycopg.connect(host="127.0.0.1", user=postgres.SUPERUSER, dbname=database, autocommit=True)


def reader(environment: dict[str, str], database: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """Return a connection as the read-only role."""
    password = environment["SKUSCRIBE_READER_PASSWORD"]
    return psycopg.connect(user=postgres.READER, password=password, dbname=database, autocommit=True)
