"""Postgres: who may connect, what migrations do, and what each failure says."""

import shutil
import socket
import threading
from pathlib import Path

import psycopg
import pytest

from jobs.database import connection as database
from jobs.local import postgres
from jobs.process.errors import ConfigurationError, NotReadyError

PACKAGED = Path(database.__file__).parents[2] / "sql"


@pytest.fixture
def own_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that a test may edit."""
    folder = tmp_path / "sql"
    shutil.copytree(PACKAGED, folder)
    monkeypatch.setattr(database, "_sql_folder", lambda: folder)
    return folder


def superuser(name: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(host="127.0.0.1", user=postgres.SUPERUSER, dbname=name, autocommit=True)


def reader(environment: dict[str, str], name: str) -> "psycopg.Connection[tuple[object, ...]]":
    password = environment["SKUSCRIBE_READER_PASSWORD"]
    return psycopg.connect(user=postgres.READER, password=password, dbname=name, autocommit=True)


def test_migrations_apply_once_and_in_order(database: str) -> None:
    from jobs.database.connection import connect, migrate, migrated

    with connect() as connection:
        assert not migrated(connection)
        assert migrate(connection) == sorted(path.name for path in PACKAGED.glob("[0-9]*.sql"))
        assert migrated(connection)
        assert migrate(connection) == []


def test_jobs_that_migrate_at_the_same_time_do_not_collide(database: str) -> None:
    from jobs.database.connection import connect, migrate

    applied: list[list[str]] = []

    def work() -> None:
        with connect() as connection:
            applied.append(migrate(connection))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(names) for names in applied) == [0, 0, 0, len(list(PACKAGED.glob("[0-9]*.sql")))]


def test_an_edited_migration_is_refused(database: str, own_sql: Path) -> None:
    from jobs.database.connection import connect, migrate

    with connect() as connection:
        migrate(connection)
        with (own_sql / "0001_schema.sql").open("a") as file:
            file.write("-- changed\n")
        with pytest.raises(ConfigurationError, match=r"0001_schema\.sql was edited"):
            migrate(connection)


def test_a_broken_migration_leaves_nothing_behind(database: str, own_sql: Path) -> None:
    from jobs.database.connection import connect, migrate, migrated

    (own_sql / "0003_broken.sql").write_text("CREATE TABLE skuscribe.half (); SELECT 1 / 0;")
    with connect() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(connection)
        assert not migrated(connection)
        (own_sql / "0003_broken.sql").unlink()
        assert len(migrate(connection)) == 2


def test_a_database_of_a_newer_version_is_refused(database: str, own_sql: Path) -> None:
    from jobs.database.connection import connect, migrate

    (own_sql / "0003_later.sql").write_text("SELECT 1;")
    with connect() as connection:
        migrate(connection)
        (own_sql / "0003_later.sql").unlink()
        with pytest.raises(ConfigurationError, match=r"0003_later\.sql.*newer"):
            migrate(connection)


def test_an_old_pgvector_is_refused(database: str) -> None:
    from jobs.database.connection import connect, migrate

    with superuser(database) as connection:
        connection.execute("UPDATE pg_extension SET extversion = '0.8.3' WHERE extname = 'vector'")
    with (
        connect() as owner,
        pytest.raises(ConfigurationError, match=r"0\.8\.4 or newer.*found 0\.8\.3.*ALTER EXTENSION"),
    ):
        migrate(owner)


def test_the_extension_is_created_where_it_is_missing_and_may_be(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.database.connection import connect, migrate, pgvector_version

    with superuser(database) as connection:
        connection.execute("DROP EXTENSION vector")
    monkeypatch.setenv("PGUSER", postgres.SUPERUSER)
    with connect() as owner:
        assert pgvector_version(owner) is None
        migrate(owner)
        assert pgvector_version(owner) is not None


def test_who_may_not_create_the_extension_is_told_what_to_do(database: str) -> None:
    from jobs.database.connection import connect, migrate

    with superuser(database) as connection:
        connection.execute("DROP EXTENSION vector")
    with connect() as owner, pytest.raises(ConfigurationError, match="administrator run CREATE EXTENSION vector"):
        migrate(owner)


def test_the_reader_reads_everything_and_writes_nothing(database: str, environment: dict[str, str]) -> None:
    from jobs.database.connection import connect, migrate

    with connect() as connection:
        migrate(connection)
    with reader(environment, database) as connection:
        names = connection.execute(
            "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'skuscribe'"
        ).fetchall()
        assert len(names) >= 13
        for (name,) in names:
            connection.execute(f"SELECT * FROM skuscribe.{name}")
        for write in (
            "INSERT INTO skuscribe.failure VALUES ('a', 'b', 'c', 'd')",
            "UPDATE skuscribe.catalogue SET ef_search = 1",
            "DELETE FROM skuscribe.description",
            "TRUNCATE skuscribe.product",
            "DROP VIEW skuscribe.coverage",
            "CREATE TABLE skuscribe.mine ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(write)


def test_a_table_of_a_later_migration_is_readable_too(
    database: str, environment: dict[str, str], own_sql: Path
) -> None:
    from jobs.database.connection import connect, migrate

    with connect() as connection:
        migrate(connection)
        (own_sql / "0003_later.sql").write_text("CREATE TABLE skuscribe.later (number integer);")
        migrate(connection)
    with reader(environment, database) as connection:
        assert connection.execute("SELECT count(*) FROM skuscribe.later").fetchone() == (0,)


def test_a_read_only_connection_cannot_write(database: str) -> None:
    from jobs.database.connection import connect, migrate, session

    with connect() as connection:
        migrate(connection)
    with pytest.raises(ConfigurationError, match="read-only"), session(read_only=True) as connection:
        connection.execute("DELETE FROM skuscribe.failure")


def test_no_server_is_not_ready(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PGPORT", str(listener.getsockname()[1]))
        with pytest.raises(NotReadyError, match=r"cannot be reached at 127\.0\.0\.1:"):
            database.connect()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PGPASSWORD", "not-the-password"), ("PGDATABASE", "nowhere"), ("PGUSER", "nobody")],
)
def test_a_refused_connection_is_a_wrong_setting(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match="refuses the connection") as caught:
        database.connect()
    assert environment["PGPASSWORD"] not in str(caught.value)
    assert "not-the-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", NotReadyError, "disk of Postgres"),
        ("53200", NotReadyError, "lacks resources"),
        ("42501", ConfigurationError, "may not do this"),
        ("55P03", NotReadyError, "another session"),
        ("42P01", NotReadyError, "skuscribe index"),
    ],
)
def test_an_error_of_a_statement_says_what_to_do(database: str, code: str, kind: type[Exception], words: str) -> None:
    from jobs.database.connection import session

    raising = f"DO $$ BEGIN RAISE EXCEPTION 'could not' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(kind, match=words), session() as connection:
        connection.execute(raising)


def test_a_server_that_goes_away_is_not_ready(database: str) -> None:
    from jobs.database.connection import session

    with pytest.raises(NotReadyError, match="went away"), session() as connection:
        with superuser("postgres") as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        connection.execute("SELECT 1")


def test_a_defect_of_ours_is_not_hidden(database: str) -> None:
    from jobs.database.connection import session

    with pytest.raises(psycopg.errors.SyntaxError), session() as connection:
        connection.execute("SELEKT 1")


def test_every_named_statement_is_used() -> None:
    sources = "".join(path.read_text() for path in (PACKAGED.parent / "jobs").rglob("*.py"))
    unused = [path.stem for path in (PACKAGED / "queries").glob("*.sql") if f'"{path.stem}"' not in sources]
    assert unused in ([], ["write_description"])
