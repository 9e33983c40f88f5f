"""Connections to Postgres with pgvector, statements, and the errors of both as job errors.

libpq reads the address and the user from its own variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE ...).
A statement of more than two lines is a file in `sql/queries/`; a shorter one is written where it is executed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from pgvector.psycopg import register_vector
from psycopg import errors, sql
from psycopg.types import TypeInfo

from jobs.process.errors import ConfigurationError, JobError, NotReadyError

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_INSIDE_WHEEL = Path(__file__).parents[1] / "sql"
SQL_FOLDER = _INSIDE_WHEEL if _INSIDE_WHEEL.is_dir() else Path(__file__).parents[2] / "sql"

_CONNECTION_OPTIONS = (
    "-c client_min_messages=warning -c application_name=skuscribe "
    # With these, the server ends the statement of a killed job within seconds.
    "-c client_connection_check_interval=5000 -c tcp_keepalives_idle=30"
)
_INSUFFICIENT_RESOURCES = "53"  # a class of SQLSTATE codes: appendix A of the Postgres manual
# A refused connection has no SQLSTATE: libpq reports it as text only.
_REFUSALS = (
    "password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry",
    "invalid port number", "invalid sslmode", "invalid connection option", "permission denied", "certificate",
)  # fmt: skip


@contextmanager
def session(read_only: bool = False) -> Iterator[Connection]:
    """Yield a connection in autocommit mode, with the errors of its statements translated, and close it at the end."""
    with connect(read_only) as connection, translated_errors():
        yield connection


def connect(read_only: bool = False) -> Connection:
    """Return a connection in autocommit mode.

    Errors: `NotReadyError` (75) if no server answers, `ConfigurationError` (78) if the server refuses the user or database.
    """
    options = [os.environ.get("PGOPTIONS", ""), _CONNECTION_OPTIONS]
    if read_only:
        options.append("-c default_transaction_read_only=on")
    try:
        connection = psycopg.connect(
            connect_timeout=_connect_timeout_seconds(),
            options=" ".join(options).strip(),
            autocommit=True,
            prepare_threshold=None,  # a generic plan cannot skip the partitions of other catalogues
        )
    except psycopg.Error as error:
        raise _connection_error(error) from None  # its context may contain the connection string
    register_vector_types(connection)
    return connection


def register_vector_types(connection: Connection) -> None:
    """Let psycopg write pgvector's types, if the database has the extension."""
    try:
        if TypeInfo.fetch(connection, "halfvec") is not None:
            register_vector(connection)
    except psycopg.Error as error:
        raise _connection_error(error) from None


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the errors that an operator can fix into job errors. Any other error is a defect and passes."""
    try:
        yield
    except psycopg.Error as error:
        translated = _statement_error(error)
        if translated is None:
            raise
        raise translated from error


def statement(name: str) -> str:
    """Return the text of `sql/queries/NAME.sql`."""
    return (SQL_FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def formatted(name: str, **parts: sql.Composable) -> sql.Composed:
    """Return the statement in `sql/queries/NAME.sql` with its `{placeholders}` replaced by identifiers or literals."""
    return sql.SQL(statement(name)).format(**parts)


def address() -> str:
    """Return HOST:PORT/DATABASE as libpq reads them from the environment, for messages."""
    defaults = {"PGHOST": "localhost", "PGPORT": "5432", "PGDATABASE": os.environ.get("PGUSER", "")}
    host, port, name = (os.environ.get(variable, default) for variable, default in defaults.items())
    return f"{host}:{port}/{name}"


def one_line(error: psycopg.Error) -> str:
    """Return the message of an error in one line, without passwords."""
    text = " ".join((error.diag.message_primary or str(error)).split("Is the server running")[0].split()).rstrip(".")
    for name in ("PGPASSWORD", "SKUSCRIBE_READER_PASSWORD"):
        secret = os.environ.get(name)
        text = text.replace(secret, "***") if secret else text
    return text


def _connect_timeout_seconds() -> int:
    text = os.environ.get("PGCONNECT_TIMEOUT") or "10"
    if not text.isdigit():
        raise ConfigurationError(f"PGCONNECT_TIMEOUT is {text!r}, expected a number of seconds")
    return int(text)


def _connection_error(error: psycopg.Error) -> JobError:
    line = one_line(error)
    if any(words in line for words in _REFUSALS):
        return ConfigurationError(
            f"Postgres at {address()} refuses the connection: {line}. Check PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD"
        )
    return NotReadyError(
        f"Postgres cannot be reached at {address()}: {line}. Check that it is running, and PGHOST and PGPORT"
    )


def _statement_error(error: psycopg.Error) -> JobError | None:
    """Return the job error for an error that an operator can fix, or None."""
    line = one_line(error)
    if isinstance(error, errors.DiskFull):
        return NotReadyError(f"the disk of Postgres at {address()} is full: {line}. Free or add space and run again")
    if (error.sqlstate or "").startswith(_INSUFFICIENT_RESOURCES):
        return NotReadyError(f"Postgres at {address()} lacks resources: {line}. Run again later, or add resources")
    if isinstance(error, errors.InsufficientPrivilege):
        user = os.environ.get("PGUSER", "(PGUSER is not set)")
        return ConfigurationError(f"the user {user} lacks a privilege at {address()}: {line}. Connect as the owner")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return ConfigurationError(f"Postgres at {address()} is read-only: {line}. Connect to the primary server")
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName | errors.NoDataFound):
        return NotReadyError(f"{address()} has no such table or index yet: {line}. Run `skuscribe index`")
    if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected | errors.SerializationFailure):
        return NotReadyError(f"another session of Postgres at {address()} holds a lock: {line}. Run again")
    if isinstance(error, errors.OperationalError):
        return NotReadyError(f"the connection to Postgres at {address()} was lost: {line}. Run again when it is back")
    return None
