"""Migrations of the schema `skuscribe`: the numbered files in `sql/`, applied in order, each once.

The database records the SHA-256 of each applied file, so that an edited migration is noticed.
"""

import hashlib
from pathlib import Path

from psycopg import errors

from jobs.database.address import address
from jobs.database.connection import SQL_FOLDER, Connection, find_extension, statement
from jobs.database.errors import one_line, translated_errors
from jobs.process import log
from jobs.process.errors import ConfigurationError

MIN_POSTGRES = 14
MIN_PGVECTOR = (0, 8, 4)
ENCODING = "UTF8"
FORMER_DIGESTS = {
    "0001_schema.sql": "82deb7dc3778bd37cb89e4c4af1637280d01e53174ec4f93071698a907329c07",
    "0002_views.sql": "683344432223d05e6ccc66b860aed7112159a1585f03bca2c34a94e94f3ecf75",
}
"""The SHA-256 of earlier texts of these files, as older databases record them. Only comments have changed since."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('skuscribe.migrate', 0))"


def migrate(connection: Connection, folder: Path = SQL_FOLDER) -> list[str]:
    """Apply the migrations that the database lacks, in one transaction. Returns their names.

    Concurrent jobs may all call it: one applies the migrations while the others wait. Errors: `ConfigurationError` (78) if
    Postgres or pgvector is missing or too old, or if an applied migration differs from its file.
    """
    with translated_errors():
        require_versions(connection, create=True)
        with connection.transaction():
            connection.execute(_LOCK)
            connection.execute(statement("create_migration_table"))
            applied: dict[str, str] = dict(
                connection.execute("SELECT name, sha256 FROM skuscribe.migration").fetchall()
            )
            pending = _pending(folder, applied)
            for path in pending:
                connection.execute(path.read_text(encoding="utf-8"))
                record = "INSERT INTO skuscribe.migration (name, sha256) VALUES (%s, %s)"
                connection.execute(record, [path.name, _sha256(path)])
        if pending or not _is_true(connection, statement("functions_find_extension")):
            _run_again(connection, folder / "functions.sql")
        if pending or not _is_true(connection, statement("reader_can_read")):
            _run_again(connection, folder / "reader.sql")
        _warn_of_reader(connection)
    for path in pending:
        log.info("migration applied", name=path.name)
    return [path.name for path in pending]


def is_migrated(connection: Connection) -> bool:
    """Return whether the database has the tables."""
    return _is_true(connection, "SELECT to_regclass('skuscribe.catalogue') IS NOT NULL")


def require_versions(connection: Connection, *, create: bool = False) -> str:
    """Return the version of pgvector. With `create`, the extension is created if it is missing.

    Errors: `ConfigurationError` (78) if Postgres or pgvector is missing or too old, with what to install or update, or if the
    database has another encoding than UTF8.
    """
    postgres = connection.info.server_version // 10_000
    if postgres < MIN_POSTGRES:
        raise ConfigurationError(
            f"Postgres {MIN_POSTGRES} or newer is needed, found {postgres} at {address()}: update the server"
        )
    _require_encoding(connection)
    version = pgvector_version(connection)
    if version is None and create:
        _create_extension(connection)
        version = pgvector_version(connection)
    if version is None:
        raise ConfigurationError(
            f"the extension vector (pgvector) does not exist in {address()}: run `skuscribe index`, or let an administrator "
            "run CREATE EXTENSION vector in this database"
        )
    if tuple(int(part) for part in version.split(".")[:3]) < MIN_PGVECTOR:
        needed = ".".join(str(part) for part in MIN_PGVECTOR)
        raise ConfigurationError(
            f"pgvector {needed} or newer is needed (a parallel index build can be corrupt in older ones), found {version} in "
            f"{address()}: update the package on the server, then run ALTER EXTENSION vector UPDATE"
        )
    return version


def pgvector_version(connection: Connection) -> str | None:
    """Return the version of the extension in this database, or None if it does not exist."""
    version = _value(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    return None if version is None else str(version)


def _require_encoding(connection: Connection) -> None:
    query = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    encoding = _value(connection, query)
    if encoding != ENCODING:
        raise ConfigurationError(
            f"the database {address()} has the encoding {encoding}, which cannot store every text, expected "
            f"{ENCODING}: set PGDATABASE to a database made by CREATE DATABASE NAME ENCODING '{ENCODING}' TEMPLATE template0"
        )


def _create_extension(connection: Connection) -> None:
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except errors.UniqueViolation:
        pass  # another job has created it meanwhile
    except (
        errors.InsufficientPrivilege,
        errors.UndefinedFile,
        errors.FeatureNotSupported,
        errors.InvalidSchemaName,
    ) as error:
        raise ConfigurationError(
            f"the extension vector (pgvector) does not exist in {address()} and could not be created: {one_line(error)}. "
            "Install pgvector on the server, then let an administrator run CREATE EXTENSION vector in this database"
        ) from error
    find_extension(connection)


def _pending(folder: Path, applied: dict[str, str]) -> list[Path]:
    """Return the files that are not applied yet. Errors: `ConfigurationError` (78) if an applied one has changed."""
    migrations = sorted(folder.glob("[0-9]*.sql"))
    for path in migrations:
        accepted = {_sha256(path), FORMER_DIGESTS.get(path.name)}
        if path.name in applied and applied[path.name] not in accepted:
            raise ConfigurationError(
                f"sql/{path.name} was edited after it was applied to {address()}, where its SHA-256 was "
                f"{applied[path.name]}: restore the file, and put the change into a new migration"
            )
    unknown = sorted(set(applied) - {path.name for path in migrations})
    if unknown:
        raise ConfigurationError(
            f"{address()} has migrations of a newer version of skuscribe ({', '.join(unknown)}): use that version"
        )
    return [path for path in migrations if path.name not in applied]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run_again(connection: Connection, path: Path) -> None:
    """Execute a file that may be executed any number of times."""
    with connection.transaction():
        connection.execute(_LOCK)
        connection.execute(path.read_text(encoding="utf-8"))


def _warn_of_reader(connection: Connection) -> None:
    """Log what an administrator has to run before the reading role can use pgvector."""
    row = connection.execute(statement("reader_lacks_extension")).fetchone()
    if row is not None:
        log.warning(
            f"the role skuscribe_reader may not use the schema of the extension vector: its searches fail until an "
            f"administrator runs GRANT USAGE ON SCHEMA {row[0]} TO skuscribe_reader",
        )


def _is_true(connection: Connection, query: str) -> bool:
    return bool(_value(connection, query))


def _value(connection: Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]
