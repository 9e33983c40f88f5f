"""Connections to Postgres with pgvector, and statements.

libpq reads the address and the user from its own variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE ...).
A statement of more than two lines is a file in `sql/queries/`; a shorter one is written where it is executed.

A connection pool may give every transaction to another session of the server, and refuses options at the start of a
connection. So nothing here depends on a session: each statement runs in a transaction, which begins with its settings. The
statements of a transaction are sent together where none needs the result of another: libpq's pipeline mode.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg import IsolationLevel, errors, sql
from psycopg.pq import TransactionStatus
from psycopg.types import TypeInfo

from jobs.database import login, waits
from jobs.database.address import address, check_variables, user
from jobs.database.errors import translated_errors
from jobs.process import keepalive
from jobs.process.errors import ConfigurationError

# Its warnings are about what follows from an error that it raises too.
logging.getLogger("psycopg").setLevel(logging.ERROR)

_INSIDE_WHEEL = Path(__file__).parents[1] / "sql"
SQL_FOLDER = _INSIDE_WHEEL if _INSIDE_WHEEL.is_dir() else Path(__file__).parents[2] / "sql"

_SETTINGS = {
    # Of the role or the database, meant for the sessions of people and applications.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # With these, the server ends the statement of a killed job within seconds, and that of a lost node within a minute.
    "client_connection_check_interval": "5000",
    "tcp_keepalives_idle": str(keepalive.IDLE_SECONDS),
    "tcp_keepalives_interval": str(keepalive.INTERVAL_SECONDS),
    "tcp_keepalives_count": str(keepalive.COUNT),
    "tcp_user_timeout": str(keepalive.USER_TIMEOUT_MILLISECONDS),
}
MIN_POSTGRES = 14  # the first with client_connection_check_interval and idle_session_timeout
_HAS_TRANSACTION_TIMEOUT = 170_000  # server version


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection in autocommit mode whose statements run with `settings`, directly or through a connection pool.

    Statements outside `transaction()` are a transaction of their own. A wait for a lock is logged.
    """

    settings: Mapping[str, str] = _SETTINGS
    is_pooled = False
    """Whether a connection pool is between this process and the server: it makes up the process id."""
    _running = waits.Running(0, 0.0)
    _watch: waits.Watch | None = None

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """Begin a transaction, or a savepoint within one, as `psycopg.Connection.transaction()` does."""
        if self._has_begun():
            with super().transaction(savepoint_name, force_rollback) as savepoint:
                yield savepoint
            return
        transaction = psycopg.Transaction(self, savepoint_name, force_rollback)
        with ExitStack() as stack:
            with self.pipeline():
                stack.enter_context(transaction)
                applied = self._apply_settings()
            self._running = replace(self._running, pid=first_value(applied))
            yield transaction

    def execute(self, query: Any, params: Any = None, **options: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute a statement, in a transaction of its own if none has begun. Returns its results.

        Several statements in one text need a transaction that has begun.
        """
        if self._has_begun():
            self._statement_begins()
            return super().execute(query, params, **options)
        with self.transaction() if self.is_pooled else self._own_transaction():
            return super().execute(query, params, **options)

    def value(self, query: Any, params: Any = None) -> Any:
        """Execute a statement as `execute()` does. Returns the first value of the first row, None if there is no row."""
        return first_value(self.execute(query, params))

    def execute_all(self, *statements: tuple[Any, Any]) -> list[psycopg.Cursor[tuple[Any, ...]]]:
        """Execute statements, each with its parameters, in one round trip. Returns their results.

        They are a transaction of their own if none has begun. None may be a COPY or contain several statements.
        """
        if self.is_pooled and not self._has_begun():
            with self.transaction():
                return self.execute_all(*statements)
        if self._has_begun():
            self._statement_begins()
        with self.pipeline() if self._has_begun() else self._own_transaction():
            return [super(Connection, self).execute(query, params) for query, params in statements]

    def adapt_to_server(self) -> None:
        """Find out what is between this process and the server, and lift the timeouts that do not concern a transaction."""
        if self.info.server_version >= _HAS_TRANSACTION_TIMEOUT:
            self.settings = {**self.settings, "transaction_timeout": "0"}
        found, extension = self.execute_all(
            (statement("lift_idle_timeout"), {"pid": self.info.backend_pid}), (statement("extension_schema"), None)
        )
        self.is_pooled = first_value(found) != self.info.backend_pid
        self.use_extension(extension.fetchone())
        self._watch = waits.Watch(self._waiting, _connect_plainly, statement("lock_holders"))

    def use_extension(self, row: tuple[Any, ...] | None) -> None:
        """Put the schema of pgvector on the search path and register its type, given the row of `extension_schema`, if any.

        Errors: `ConfigurationError` (78) if this user may not use the schema.
        """
        if row is None:
            return
        schema, usable, oid, array_oid = row
        if not usable:
            raise ConfigurationError(
                f"the user {user()} may not use the schema {schema} of {address()}, which contains the extension vector: let an "
                f'administrator run GRANT USAGE ON SCHEMA {schema} TO "{user()}"'
            )
        self.settings = {**self.settings, "search_path": schema}
        if oid is not None:
            register_halfvec_info(self, TypeInfo("halfvec", oid, array_oid))

    def close(self) -> None:
        """Close the connection."""
        if self._watch is not None:
            self._watch.end()
        super().close()

    @contextmanager
    def _own_transaction(self) -> Iterator[None]:
        """Run the statements of the block as one transaction, in one round trip. Their results are there after it."""
        try:
            with self.pipeline(), psycopg.Transaction(self):
                self._apply_settings()
                yield
        except errors.PipelineAborted as error:
            raise _cause(error) from None
        finally:
            if self.info.transaction_status == TransactionStatus.INERROR:
                self.rollback()

    def _apply_settings(self) -> psycopg.Cursor[tuple[Any, ...]]:
        """Apply the settings until the end of the transaction. Returns the process of the server."""
        self._running = waits.Running(self.info.backend_pid, time.monotonic())
        calls = sql.SQL(", ").join([sql.SQL("set_config(%s, %s, true)")] * len(self.settings))
        values = [word for setting in self.settings.items() for word in setting]
        return super().execute(sql.SQL("SELECT pg_backend_pid(), {}").format(calls), values)

    def _statement_begins(self) -> None:
        self._running = replace(self._running, began=time.monotonic())

    def _has_begun(self) -> bool:
        return self.info.transaction_status != TransactionStatus.IDLE

    def _waiting(self) -> waits.Running | None:
        return self._running if self.info.transaction_status == TransactionStatus.ACTIVE else None


@contextmanager
def session(read_only: bool = False) -> Iterator[Connection]:
    """Yield a connection in autocommit mode, with the errors of its statements translated, and close it at the end."""
    with connect(read_only) as connection, translated_errors():
        yield connection


def connect(read_only: bool = False) -> Connection:
    """Return a connection in autocommit mode.

    Errors: `NotReadyError` (75) if no server answers, `ConfigurationError` (78) if a variable is wrong, the server refuses the
    user, the database or another setting, or Postgres is too old.
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
        _require_version(connection.info.server_version)  # an old server lacks settings that the first statement sets
        with translated_errors():
            connection.adapt_to_server()
    except BaseException:
        connection.close()
        raise
    return connection


def _require_version(server_version: int) -> None:
    """Raise `ConfigurationError` (78) if Postgres is too old. `server_version`: as in libpq, 0 if a connection pool reports none."""
    found = server_version // 10_000
    if server_version and found < MIN_POSTGRES:
        raise ConfigurationError(
            f"Postgres {MIN_POSTGRES} or newer is needed, found {found} at {address()}: update the server"
        )


@contextmanager
def exclusive(key: str) -> Iterator[Connection]:
    """Wait until no other process holds the lock `key`, and hold it during the block. Yields the connection that holds it.

    The lock belongs to a transaction that stays open, because a connection pool would leave a lock of a session behind. If
    that connection is lost, so is the lock: a statement on it then raises an error.
    """
    with session() as holder, holder.transaction():
        holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
        yield holder


def first_value(result: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    """Return the first value of the first row of a result, None if there is no row."""
    return next(iter(result.fetchone() or ()), None)


def statement(name: str) -> str:
    """Return the text of `sql/queries/NAME.sql`."""
    return (SQL_FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def formatted(name: str, **parts: sql.Composable) -> sql.Composed:
    """Return the statement in `sql/queries/NAME.sql` with its `{placeholders}` replaced by identifiers or literals."""
    return sql.SQL(statement(name)).format(**parts)


def _cause(aborted: BaseException) -> BaseException:
    """Return the error for which the statements after it were skipped."""
    while isinstance(aborted, errors.PipelineAborted) and aborted.__context__ is not None:
        aborted = aborted.__context__
    return aborted


def _parameters() -> dict[str, Any]:
    return {
        "connect_timeout": _connect_timeout_seconds(),
        "client_encoding": "UTF8",
        "fallback_application_name": "skuscribe",
        "keepalives_idle": keepalive.IDLE_SECONDS,
        "keepalives_interval": keepalive.INTERVAL_SECONDS,
        "keepalives_count": keepalive.COUNT,
        "tcp_user_timeout": keepalive.USER_TIMEOUT_MILLISECONDS,
    }


def _connect_plainly() -> "psycopg.Connection[Any]":
    return psycopg.connect(**_parameters(), autocommit=True, prepare_threshold=None)


def _connect_timeout_seconds() -> int:
    text = os.environ.get("PGCONNECT_TIMEOUT") or "10"
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"PGCONNECT_TIMEOUT is {text!r}, expected a number of seconds")
    return int(text)
