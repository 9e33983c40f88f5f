"""Connections to Postgres with pgvector, and statements.

libpq reads the address and the user from its own variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE ...).
A statement of more than two lines is a file in `sql/queries/`; a shorter one is written where it is executed.

A connection pool may give every transaction to another session of the server, and refuses options at the start of a
connection. So nothing here depends on a session: each statement runs in a transaction, which begins with its settings.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import IsolationLevel, sql
from psycopg.pq import TransactionStatus
from psycopg.types import TypeInfo

from jobs.database import login, waits
from jobs.database.address import address, check_variables, user
from jobs.database.errors import translated_errors
from jobs.process.errors import ConfigurationError

_INSIDE_WHEEL = Path(__file__).parents[1] / "sql"
SQL_FOLDER = _INSIDE_WHEEL if _INSIDE_WHEEL.is_dir() else Path(__file__).parents[2] / "sql"

_SETTINGS = {
    # Of the role or the database, meant for the sessions of people and applications.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # With these, the server ends the statement of a killed job within seconds.
    "client_connection_check_interval": "5000",
    "tcp_keepalives_idle": "30",
}
_HAS_TRANSACTION_TIMEOUT = 170_000  # server version
_KEEPALIVES_IDLE_SECONDS = 30


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection in autocommit mode whose statements run with `settings`, directly or through a connection pool.

    A statement outside `transaction()` is a transaction of its own. A wait for a lock is logged.
    """

    settings: Mapping[str, str] = _SETTINGS

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """Begin a transaction, or a savepoint within one, as `psycopg.Connection.transaction()` does."""
        nested = self.info.transaction_status != TransactionStatus.IDLE
        with super().transaction(savepoint_name, force_rollback) as transaction:
            if nested:
                yield transaction
                return
            pid = self._apply_settings()
            with waits.logged(pid, self._is_busy, _connect_plainly, statement("lock_holders")):
                yield transaction

    def execute(self, query: Any, params: Any = None, **options: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute a statement, in a transaction of its own if none has begun. Returns its results."""
        if self.info.transaction_status != TransactionStatus.IDLE:
            return super().execute(query, params, **options)
        with self.transaction():
            return super().execute(query, params, **options)

    def backend_pid(self) -> int:
        """Return the process of the server that runs the next statement of this transaction."""
        row = self.execute("SELECT pg_backend_pid()").fetchone()
        return int(row[0]) if row else 0

    def is_pooled(self) -> bool:
        """Return whether a connection pool is between this process and the server: it makes up the process id."""
        return self.backend_pid() != self.info.backend_pid

    def _apply_settings(self) -> int:
        """Apply the settings until the end of the transaction. Returns the process of the server."""
        calls = sql.SQL(", ").join([sql.SQL("set_config(%s, %s, true)")] * len(self.settings))
        values = [word for setting in self.settings.items() for word in setting]
        row = super().execute(sql.SQL("SELECT pg_backend_pid(), {}").format(calls), values).fetchone()
        return int(row[0]) if row else 0

    def _is_busy(self) -> bool:
        return self.info.transaction_status == TransactionStatus.ACTIVE


@contextmanager
def session(read_only: bool = False) -> Iterator[Connection]:
    """Yield a connection in autocommit mode, with the errors of its statements translated, and close it at the end."""
    with connect(read_only) as connection, translated_errors():
        yield connection


def connect(read_only: bool = False) -> Connection:
    """Return a connection in autocommit mode.

    Errors: `NotReadyError` (75) if no server answers, `ConfigurationError` (78) if a variable is wrong or the server refuses
    the user, the database or another setting.
    """
    check_variables()
    timeout_seconds = _connect_timeout_seconds()
    try:
        connection = Connection.connect(**_parameters(), autocommit=True)
    except psycopg.Error as error:
        raise login.error_of(error, timeout_seconds) from None  # its context may contain the connection string
    connection.prepare_threshold = None  # a generic plan cannot skip the partitions of other catalogues
    connection.read_only = True if read_only else None
    connection.isolation_level = IsolationLevel.READ_COMMITTED  # whoever waited for a lock sees what its holder did
    try:
        with translated_errors():
            _adapt_to_server(connection)
            find_extension(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def find_extension(connection: Connection) -> str | None:
    """Return the schema of pgvector, quoted, after putting it on the search path and registering its types; None without it.

    Errors: `ConfigurationError` (78) if this user may not use the schema.
    """
    row = connection.execute(statement("extension_schema")).fetchone()
    if row is None:
        return None
    schema, usable = row
    if not usable:
        raise ConfigurationError(
            f"the user {user()} may not use the schema {schema} of {address()}, which contains the extension vector: let an "
            f'administrator run GRANT USAGE ON SCHEMA {schema} TO "{user()}"'
        )
    connection.settings = {**connection.settings, "search_path": schema}
    with connection.transaction():
        if TypeInfo.fetch(connection, "halfvec") is not None:
            register_vector(connection)
    return str(schema)


@contextmanager
def exclusive(key: str) -> Iterator[Connection]:
    """Wait until no other process holds the lock `key`, and hold it during the block. Yields the connection that holds it.

    The lock belongs to a transaction that stays open, because a connection pool would leave a lock of a session behind. If
    that connection is lost, so is the lock: a statement on it then raises an error.
    """
    with session() as holder, holder.transaction():
        holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
        yield holder


def statement(name: str) -> str:
    """Return the text of `sql/queries/NAME.sql`."""
    return (SQL_FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def formatted(name: str, **parts: sql.Composable) -> sql.Composed:
    """Return the statement in `sql/queries/NAME.sql` with its `{placeholders}` replaced by identifiers or literals."""
    return sql.SQL(statement(name)).format(**parts)


def _adapt_to_server(connection: Connection) -> None:
    """Lift the timeouts that some servers have and that do not concern a single transaction."""
    if connection.info.server_version >= _HAS_TRANSACTION_TIMEOUT:
        connection.settings = {**connection.settings, "transaction_timeout": "0"}
    if not connection.is_pooled():  # a session of a pool belongs to others too
        connection.execute("SELECT set_config('idle_session_timeout', '0', false)")


def _parameters() -> dict[str, Any]:
    return {
        "connect_timeout": _connect_timeout_seconds(),
        "client_encoding": "UTF8",
        "fallback_application_name": "skuscribe",
        "keepalives_idle": _KEEPALIVES_IDLE_SECONDS,
    }


def _connect_plainly() -> "psycopg.Connection[Any]":
    return psycopg.connect(**_parameters(), autocommit=True, prepare_threshold=None)


def _connect_timeout_seconds() -> int:
    text = os.environ.get("PGCONNECT_TIMEOUT") or "10"
    if not text.isdigit():
        raise ConfigurationError(f"PGCONNECT_TIMEOUT is {text!r}, expected a number of seconds")
    return int(text)
