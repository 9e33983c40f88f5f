"""Migrations: applied once and in order, by one job at a time, and never edited afterwards."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobs.database import migrations
from jobs.database.connection import SQL_FOLDER, connect
from jobs.database.migrations import FORMER_DIGESTS, is_migrated, migrate, pgvector_version, require_versions
from jobs.local import postgres
from jobs.process.errors import ConfigurationError, NotReadyError
from tests.database.roles import reader, superuser

MIGRATIONS = sorted(path.name for path in SQL_FOLDER.glob("[0-9]*.sql"))


@pytest.fixture
def own_sql(tmp_path: Path) -> Path:
    """A copy of sql/ that a test may edit."""
    return shutil.copytree(SQL_FOLDER, tmp_path / "sql")


def test_migrations_are_applied_once_and_in_order(database: str) -> None:
    with connect() as connection:
        assert not is_migrated(connection)
        assert migrate(connection) == MIGRATIONS
        assert is_migrated(connection)
        assert migrate(connection) == []


def test_concurrent_jobs_apply_each_migration_once(database: str) -> None:
    applied: list[list[str]] = []

    def work() -> None:
        with connect() as connection:
            applied.append(migrate(connection))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], [], [], MIGRATIONS]


def test_an_edited_migration_is_refused(database: str, own_sql: Path) -> None:
    with connect() as connection:
        migrate(connection, own_sql)
        with (own_sql / "0001_schema.sql").open("a") as file:
            file.write("-- changed\n")
        with pytest.raises(ConfigurationError, match=r"0001_schema\.sql was edited"):
            migrate(connection, own_sql)


@pytest.mark.parametrize(
    ("name", "former"), [(name, digest) for name, digests in FORMER_DIGESTS.items() for digest in sorted(digests)]
)
def test_a_database_migrated_by_the_former_text_is_accepted(database: str, name: str, former: str) -> None:
    record = "UPDATE skuscribe.migration SET sha256 = %s WHERE name = %s"
    with connect() as connection:
        migrate(connection)
        connection.execute(record, [former, name])
        assert migrate(connection) == []
        connection.execute(record, ["of another text", name])
        with pytest.raises(ConfigurationError, match="was edited"):
            migrate(connection)


def test_labels_of_an_earlier_version_get_what_their_texts_had(database: str, own_sql: Path) -> None:
    """The label of a text that the batch no longer has gets nothing."""
    for path in own_sql.glob("000[67]*"):
        path.unlink()
    description = """INSERT INTO skuscribe.description (batch, uid, catalogue, title, description, flags, published, model_digest,
                     probability) VALUES ('main', %s, 'shop', 'Lamp', 'A lamp.', '{short}', false, '', 0.5)"""
    label = """INSERT INTO skuscribe.audit_label (batch, uid, text_digest, label, stratum, stratum_rows)
               VALUES ('main', %s, skuscribe.text_digest('Lamp', %s), 'right', 'short', 1)"""
    with connect() as connection:
        migrate(connection, own_sql)
        for uid, text in (("A", "A lamp."), ("B", "An earlier text.")):
            connection.execute(description, [uid])
            connection.execute(label, [uid, text])
        migrate(connection)
        found = connection.execute(
            "SELECT uid, catalogue, published, flags, probability, matcher_digest FROM skuscribe.audit_label ORDER BY uid"
        ).fetchall()
        assert found == [("A", "shop", False, ["short"], 0.5, None), ("B", None, None, None, None, None)]
        assert connection.execute("SELECT labelled, outdated FROM skuscribe.audit_result").fetchall() == [(1, 1)]


def test_a_failed_migration_leaves_the_database_unchanged(database: str, own_sql: Path) -> None:
    (own_sql / "9999_broken.sql").write_text("CREATE TABLE skuscribe.half (); SELECT 1 / 0;")
    with connect() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(connection, own_sql)
        assert not is_migrated(connection)
        (own_sql / "9999_broken.sql").unlink()
        assert migrate(connection, own_sql) == MIGRATIONS


def test_a_database_of_a_newer_version_is_refused(database: str, own_sql: Path) -> None:
    (own_sql / "9999_later.sql").write_text("SELECT 1;")
    with connect() as connection:
        migrate(connection, own_sql)
        with pytest.raises(ConfigurationError, match=r"newer version of skuscribe \(9999_later\.sql\)"):
            migrate(connection)


def test_an_old_pgvector_is_refused(database: str) -> None:
    with superuser(database) as connection:
        connection.execute("UPDATE pg_extension SET extversion = '0.8.3' WHERE extname = 'vector'")
    with (
        connect() as owner,
        pytest.raises(ConfigurationError, match=r"0\.8\.4 or newer.*found 0\.8\.3.*ALTER EXTENSION"),
    ):
        migrate(owner)


def test_a_missing_extension_is_created(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with superuser(database) as connection:
        connection.execute("DROP EXTENSION vector")
    monkeypatch.setenv("PGUSER", postgres.SUPERUSER)
    with connect() as owner:
        assert pgvector_version(owner) is None
        migrate(owner)
        assert pgvector_version(owner) is not None


def test_a_missing_extension_that_the_user_may_not_create_is_a_wrong_setting(database: str) -> None:
    with superuser(database) as connection:
        connection.execute("DROP EXTENSION vector")
    with connect() as owner:
        with pytest.raises(
            ConfigurationError, match=r"could not be created.*administrator run CREATE EXTENSION vector"
        ):
            migrate(owner)
        with pytest.raises(ConfigurationError, match="run `skuscribe index`"):
            require_versions(owner)


def test_the_reader_reads_every_table_and_writes_none(database: str, environment: dict[str, str]) -> None:
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


def test_the_reader_reads_the_tables_of_later_migrations(
    database: str, environment: dict[str, str], own_sql: Path
) -> None:
    with connect() as connection:
        migrate(connection, own_sql)
        (own_sql / "9999_later.sql").write_text("CREATE TABLE skuscribe.later (number integer);")
        migrate(connection, own_sql)
    with reader(environment, database) as connection:
        assert connection.execute("SELECT count(*) FROM skuscribe.later").fetchone() == (0,)


def test_every_view_and_function_has_a_comment(database: str) -> None:
    with connect() as connection:
        migrate(connection)
        without = connection.execute(
            """
            SELECT relname FROM pg_class
            WHERE relnamespace = 'skuscribe'::regnamespace AND relkind = 'v' AND obj_description(oid, 'pg_class') IS NULL
            UNION ALL
            SELECT proname FROM pg_proc
            WHERE pronamespace = 'skuscribe'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
            """
        ).fetchall()
    assert without == []


def test_a_migration_does_not_wait_long_for_a_reader_because_others_wait_behind_it(
    database: str, own_sql: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "300ms")
    with connect() as connection, superuser(database) as holder:
        migrate(connection, own_sql)
        (own_sql / "9999_later.sql").write_text("ALTER TABLE skuscribe.description ADD COLUMN later integer;")
        with holder.transaction():
            holder.execute("SELECT FROM skuscribe.description")
            with pytest.raises(NotReadyError, match="another session of Postgres"):
                migrate(connection, own_sql)
        assert migrate(connection, own_sql) == ["9999_later.sql"]


@pytest.fixture
def no_reader(database: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of the superuser of a server whose reading role has another name, until the end of the test."""
    with superuser(database) as connection:
        connection.execute("ALTER ROLE skuscribe_reader RENAME TO other_reader")
        try:
            yield connection
        finally:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = 'skuscribe_reader'").fetchone() is not None:
                connection.execute("DROP OWNED BY skuscribe_reader; DROP ROLE skuscribe_reader")
            connection.execute("ALTER ROLE other_reader RENAME TO skuscribe_reader")


def test_a_missing_reader_that_the_user_may_not_create_is_reported(
    database: str, no_reader: psycopg.Connection[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    with connect() as connection:
        migrate(connection)
        capsys.readouterr()
        migrate(connection)
        assert "the role skuscribe_reader does not exist" in capsys.readouterr().err
        no_reader.execute("CREATE ROLE skuscribe_reader; GRANT USAGE ON SCHEMA skuscribe TO skuscribe_reader")
        migrate(connection)
        assert "skuscribe_reader" not in capsys.readouterr().err
    no_reader.execute("SET ROLE skuscribe_reader")
    assert no_reader.execute("SELECT * FROM skuscribe.coverage").fetchall() == []
    no_reader.execute("RESET ROLE")


def test_two_databases_of_one_server_may_create_the_reader_at_the_same_time(
    database: str, no_reader: psycopg.Connection[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGUSER", postgres.SUPERUSER)
    with (
        psycopg.connect(host="127.0.0.1", user=postgres.SUPERUSER, dbname="postgres") as other,
        connect() as connection,
    ):
        other.execute("CREATE ROLE skuscribe_reader")
        timer = threading.Timer(1, other.commit)
        timer.start()
        assert migrate(connection) == MIGRATIONS
        timer.join()
        privilege = "SELECT has_table_privilege('skuscribe_reader', 'skuscribe.product', 'SELECT')"
        assert connection.execute(privilege).fetchone() == (True,)
