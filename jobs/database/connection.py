"""Postgres with pgvector: connections, migrations, named statements, and errors that say what to do.

Where the server is comes from libpq's own variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE ...). All
SQL lies in `sql/`: numbered migrations, `reader.sql`, and the named statements in `sql/queries/`.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process import log
from jobs.process.errors import ConfigurationError, JobError, NotReadyError

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[tuple[Any, ...]]

POSTGRES_AT_LEAST = 14
PGVECTOR_AT_LEAST = (0, 8, 4)
_INSUFFICIENT_RESOURCES = "53"  # the class of these codes, table A.1 of the Postgres manual
_WRONG_SETTING = (
    "password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry",
    "invalid port number", "invalid sslmode", "invalid connection option", "permission denied", "certificate",
)  # fmt: skip


def connect(read_only: bool = False) -> "Connection":
    """A connection in autocommit: what must happen together stands in `with connection.transaction()`.

    Errors: `NotReadyError` (75) where no server answers, `ConfigurationError` (78) where it refuses who we are.
    """
    import psycopg

    options = "-c client_min_messages=warning -c application_name=skuscribe"
    # The server notices within seconds that a killed job is gone, and ends its statement.
    options += " -c client_connection_check_interval=5000 -c tcp_keepalives_idle=30"
    if read_only:
        options += " -c default_transaction_read_only=on"
    try:
        connection = psycopg.connect(
            connect_timeout=_connect_timeout_seconds(),
            options=f"{os.environ.get('PGOPTIONS', '')} {options}".strip(),
            autocommit=True,
            prepare_threshold=None,  # a generic plan can't skip the partitions of other catalogues
        )
    except psycopg.Error as error:
        raise _connection_error(error) from None  # its context may show the connection string
    _register_vectors(connection)
    return connection


@contextmanager
def session(read_only: bool = False) -> Iterator["Connection"]:
    """A connection for a block: closed at its end, with the errors of its statements translated."""
    with connect(read_only) as connection, translated():
        yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors that an operator can mend into job errors; any other is a defect and passes."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        found = _statement_error(error)
        if found is None:
            raise
        raise found from error


def migrate(connection: "Connection") -> list[str]:
    """Apply the migrations that this database lacks, in order, each in a transaction. Returns their names.

    Any number of jobs may call it at the same time: one applies, the others wait. Errors: `ConfigurationError` (78) where
    Postgres or pgvector is too old or missing, or where an applied migration was edited since.
    """
    with translated():
        require_versions(connection, create=True)
        with connection.transaction():
            connection.execute(statement("lock_migrations"))
            connection.execute(statement("create_migration_table"))
            applied: dict[str, str] = dict(connection.execute(statement("applied_migrations")).fetchall())
            pending = _pending(applied)
            for path in pending:
                connection.execute(path.read_text(encoding="utf-8"))
                connection.execute(statement("record_migration"), {"name": path.name, "sha256": _sha256(path)})
        if pending or not _reader_can_read(connection):
            with connection.transaction():
                connection.execute(statement("lock_migrations"))
                connection.execute((_sql_folder() / "reader.sql").read_text(encoding="utf-8"))
    for path in pending:
        log.info("migration applied", name=path.name)
    return [path.name for path in pending]


def migrated(connection: "Connection") -> bool:
    """Whether the tables are there, so that a reader may ask for them."""
    row = connection.execute(statement("schema_exists")).fetchone()
    return bool(row and row[0])


def statement(name: str) -> str:
    """The text of `sql/queries/NAME.sql`."""
    return (_sql_folder() / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def formatted(name: str, **parts: "sql.Composable") -> "sql.Composed":
    """A named statement whose `{placeholders}` are identifiers or literals that cannot be parameters."""
    from psycopg import sql

    return sql.SQL(statement(name)).format(**parts)


def _sql_folder() -> Path:
    inside_wheel = Path(__file__).parents[1] / "sql"
    return inside_wheel if inside_wheel.is_dir() else Path(__file__).parents[2] / "sql"


def _pending(applied: dict[str, str]) -> list[Path]:
    migrations = sorted(_sql_folder().glob("[0-9]*.sql"))
    for path in migrations:
        if path.name in applied and applied[path.name] != _sha256(path):
            raise ConfigurationError(
                f"the migration sql/{path.name} was edited after this database applied it: restore the file "
                f"(its SHA-256 was {applied[path.name]}), and put the change into a migration of its own"
            )
    unknown = sorted(set(applied) - {path.name for path in migrations})
    if unknown:
        raise ConfigurationError(
            f"the database has migrations that this version of skuscribe does not know ({', '.join(unknown)}): "
            "use the version that applied them, or a newer one"
        )
    return [path for path in migrations if path.name not in applied]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def require_versions(connection: "Connection", *, create: bool = False) -> str:
    """The version of pgvector, which is new enough, as Postgres is; `create` makes the extension where it is missing.

    Errors: `ConfigurationError` (78) with what to install or to update.
    """
    import psycopg

    if connection.info.server_version < POSTGRES_AT_LEAST * 10_000:
        raise ConfigurationError(
            f"Postgres {POSTGRES_AT_LEAST} or newer is needed, found {connection.info.server_version // 10_000} at {_where()}"
        )
    try:
        version = pgvector_version(connection)
        if version is None and create:
            connection.execute(statement("create_extension"))
            version = pgvector_version(connection)
            _register_vectors(connection)
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.UndefinedFile,
        psycopg.errors.FeatureNotSupported,
    ) as error:
        raise ConfigurationError(
            f"the extension vector (pgvector) is missing in {_where()} and could not be created: {_line(error)}. Install "
            "pgvector on the server, then let an administrator run CREATE EXTENSION vector in this database"
        ) from error
    if version is None:
        raise ConfigurationError(
            f"the extension vector (pgvector) is not created in {_where()}: `skuscribe index` does it where it may, else an "
            "administrator runs CREATE EXTENSION vector in this database"
        )
    if tuple(int(part) for part in version.split(".")[:3]) < PGVECTOR_AT_LEAST:
        wanted = ".".join(str(part) for part in PGVECTOR_AT_LEAST)
        raise ConfigurationError(
            f"pgvector {wanted} or newer is needed (older ones can corrupt an index built in parallel), found {version} in "
            f"{_where()}: update the server's package, then run ALTER EXTENSION vector UPDATE"
        )
    return version


def pgvector_version(connection: "Connection") -> str | None:
    """The version of the extension in this database; None where it is not created."""
    row = connection.execute(statement("pgvector_version")).fetchone()
    return None if row is None else str(row[0])


def _reader_can_read(connection: "Connection") -> bool:
    row = connection.execute(statement("reader_can_read")).fetchone()
    return bool(row and row[0])


def _register_vectors(connection: "Connection") -> None:
    """Let psycopg write `HalfVector`, where the database has the type already."""
    import psycopg
    from pgvector.psycopg import register_vector
    from psycopg.types import TypeInfo

    try:
        if TypeInfo.fetch(connection, "halfvec") is not None:
            register_vector(connection)
    except psycopg.Error as error:
        raise _connection_error(error) from None


def _connect_timeout_seconds() -> int:
    text = os.environ.get("PGCONNECT_TIMEOUT") or "10"
    if not text.isdigit():
        raise ConfigurationError(f"PGCONNECT_TIMEOUT takes a number of seconds, found {text!r}")
    return int(text)


def _connection_error(error: "psycopg.Error") -> JobError:
    line = _line(error)
    if any(words in line for words in _WRONG_SETTING):
        return ConfigurationError(
            f"Postgres at {_where()} refuses the connection: {line}. Check PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD"
        )
    return NotReadyError(
        f"Postgres cannot be reached at {_where()}: {line}. Is it up, and are PGHOST and PGPORT right?"
    )


def _statement_error(error: "psycopg.Error") -> JobError | None:
    from psycopg import errors

    line = _line(error)
    if isinstance(error, errors.DiskFull):
        return NotReadyError(
            f"the disk of Postgres at {_where()} is full: {line}. Free some or enlarge it, then run again"
        )
    if (error.sqlstate or "").startswith(_INSUFFICIENT_RESOURCES):
        return NotReadyError(f"Postgres at {_where()} lacks resources: {line}. Try again later, or give it more")
    if isinstance(error, errors.InsufficientPrivilege):
        return ConfigurationError(f"{os.environ.get('PGUSER', 'this user')} may not do this at {_where()}: {line}")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return ConfigurationError(f"Postgres at {_where()} is read-only here: {line}. Connect to the primary")
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName | errors.NoDataFound):
        return NotReadyError(f"{_where()} lacks what is asked for: {line}. `skuscribe index` makes it")
    if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected | errors.SerializationFailure):
        return NotReadyError(f"another session of Postgres at {_where()} is in the way: {line}. Run again")
    if isinstance(error, errors.OperationalError):
        return NotReadyError(f"Postgres at {_where()} went away: {line}. Run again when it is back")
    return None


def _line(error: BaseException) -> str:
    """The error in one line, without any password."""
    import psycopg

    from_server = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = " ".join((from_server or str(error)).split("Is the server running")[0].split()).rstrip(".")
    for name in ("PGPASSWORD", "SKUSCRIBE_READER_PASSWORD"):
        secret = os.environ.get(name)
        text = text.replace(secret, "***") if secret else text
    return text


def _where() -> str:
    names = {"PGHOST": "localhost", "PGPORT": "5432", "PGDATABASE": os.environ.get("PGUSER", "")}
    host, port, name = (os.environ.get(variable, default) for variable, default in names.items())
    return f"{host}:{port}/{name}"
