"""Migrations of the schema `skuscribe`: the numbered files in `sql/`, applied in order, each once.

The database records the SHA-256 of each applied file, so that an edited migration is noticed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg import errors, sql

from jobs.database.address import address
from jobs.database.connection import SQL_FOLDER, Connection, first_value, statement
from jobs.database.errors import one_line, translated_errors
from jobs.process import log
from jobs.process.errors import ConfigurationError

MIN_PGVECTOR = (0, 8, 4)
ENCODING = "UTF8"
FORMER_DIGESTS = {
    "0001_schema.sql": {
        "82deb7dc3778bd37cb89e4c4af1637280d01e53174ec4f93071698a907329c07",
        "8d353d87c78fb92baab96a44c75c57b391b99677e270ef9513ce956fbd9a5e37",
    },
    "0002_views.sql": {"683344432223d05e6ccc66b860aed7112159a1585f03bca2c34a94e94f3ecf75"},
}
"""The SHA-256 of earlier texts of these files, as older databases record them. They make the same tables and views."""

LOCK_TIMEOUT = "10s"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('skuscribe.migrate', 0));"
_APPLIED = "SELECT name, sha256 FROM skuscribe.migration"


@dataclass(frozen=True)
class _State:
    """The migrations that a database has, with the SHA-256 of each, and whether the grants and search paths are in place.

    `reader_exists` says whether the server has the reading role. `withheld_schema` is the schema of pgvector, if that role may not
    use it.
    """

    applied: Mapping[str, str]
    functions_find_extension: bool
    reader_can_read: bool
    reader_exists: bool
    withheld_schema: str | None


def migrate(connection: Connection, folder: Path = SQL_FOLDER) -> list[str]:
    """Apply the migrations that the database lacks, in one transaction. Returns their names.

    Concurrent jobs may all call it: one applies the migrations while the others wait. Errors: `ConfigurationError` (78) if
    pgvector is missing or too old, or if an applied migration differs from its file; `NotReadyError` (75) if another session keeps
    a table locked for `LOCK_TIMEOUT`.
    """
    with translated_errors():
        require_versions(connection, create=True)
        state = _state_if_any(connection)
        pending: list[Path] = []
        if state is None or _script(state, folder):
            pending, state = _bring_up_to_date(connection, folder)
    if not state.reader_exists:
        log.warning(
            "the role skuscribe_reader does not exist and this user may not create it: let an administrator run CREATE ROLE "
            "skuscribe_reader, then run this job again, which grants it read access"
        )
    if state.withheld_schema is not None:
        log.warning(
            f"the role skuscribe_reader may not use the schema of the extension vector: its searches fail until an "
            f"administrator runs GRANT USAGE ON SCHEMA {state.withheld_schema} TO skuscribe_reader",
        )
    for path in pending:
        log.info("migration applied", name=path.name)
    return [path.name for path in pending]


def _state_if_any(connection: Connection) -> _State | None:
    """Return the state of the database, None if it has no table of migrations."""
    try:
        return _state(connection)
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return None


def _bring_up_to_date(connection: Connection, folder: Path) -> tuple[list[Path], _State]:
    """Apply what is missing. Returns the migrations that were applied, and the state after them."""
    with connection.transaction():
        connection.execute(_LOCK + statement("create_migration_table"))
        before = _state(connection)
        script = _script(before, folder)
        if script:
            # A migration that waits for a reader blocks the readers after it.
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';\n{script}")
        return _pending(folder, before.applied), _state(connection)


def _state(connection: Connection) -> _State:
    names = ("functions_find_extension", "reader_can_read", "reader_exists", "reader_lacks_extension")
    applied, *checks = connection.execute_all((_APPLIED, None), *[(statement(name), None) for name in names])
    functions, can_read, exists, withheld = map(first_value, checks)
    return _State(dict(applied.fetchall()), bool(functions), bool(can_read), bool(exists), withheld)


def _script(state: _State, folder: Path) -> str:
    """Return the statements that apply and record what is missing, an empty text if nothing is."""
    pending = _pending(folder, state.applied)
    texts = [_text(path) + _record(path) for path in pending]
    if pending or not state.functions_find_extension:
        texts.append(_text(folder / "functions.sql"))
    if pending or not state.reader_can_read:
        texts.append(_text(folder / "reader.sql"))
    return "\n".join(texts)


def _record(path: Path) -> str:
    values = sql.SQL("({}, {})").format(path.name, _sha256(path)).as_string()
    return f"\nINSERT INTO skuscribe.migration (name, sha256) VALUES {values};"


def is_migrated(connection: Connection) -> bool:
    """Return whether the database has the tables."""
    return bool(connection.value("SELECT to_regclass('skuscribe.catalogue') IS NOT NULL"))


def require_versions(connection: Connection, *, create: bool = False) -> str:
    """Return the version of pgvector. With `create`, the extension is created if it is missing.

    Errors: `ConfigurationError` (78) if pgvector is missing or too old, with what to install or update, or if the database has
    another encoding than UTF8.
    """
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
    version = connection.value("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    return None if version is None else str(version)


def _require_encoding(connection: Connection) -> None:
    encoding: object = connection.info.parameter_status("server_encoding")  # a connection pool may not report it
    if encoding is None:
        encoding = connection.value("SELECT current_setting('server_encoding')")
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
    connection.use_extension(connection.execute(statement("extension_schema")).fetchone())


def _pending(folder: Path, applied: Mapping[str, str]) -> list[Path]:
    """Return the files that are not applied yet. Errors: `ConfigurationError` (78) if an applied one has changed."""
    migrations = sorted(folder.glob("[0-9]*.sql"))
    for path in migrations:
        accepted = {_sha256(path), *FORMER_DIGESTS.get(path.name, ())}
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


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
