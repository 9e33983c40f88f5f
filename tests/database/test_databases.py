"""Databases as administrators make them: pgvector in a schema of its own, another encoding, few privileges."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from jobs.database.connection import session
from jobs.database.migrations import migrate
from jobs.doctor import checks
from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.local import postgres
from jobs.process.errors import ConfigurationError
from jobs.retrieval.neighbours import NeighbourSearch
from jobs.retrieval.search_index import find_index
from jobs.storage import catalogue
from jobs.storage.catalogue import Title
from jobs.storage.store import Store
from tests.database.roles import reader, superuser
from tests.index.catalogues import HELD_OUT, PRODUCTS, commit

SCHEMA = '"Add-ons"'
UNCALLED = "SELECT proname FROM pg_proc WHERE pronamespace = 'skuscribe'::regnamespace"
INDEXED = "INSERT INTO skuscribe.catalogue (catalogue, generation) VALUES ('main', 1)"
CALLS = {
    "alternatives": "skuscribe.alternatives('main', 'red')",
    "duplicates": "skuscribe.duplicates('main')",
    "grounding": "skuscribe.grounding('P000001')",
    "nearest": "skuscribe.product p, skuscribe.nearest('main', p.uid, 2) n",
    "nearest_to": "skuscribe.product p, skuscribe.nearest_to('main', p.embedding, 2) n",
    "outliers": "skuscribe.outliers('main', 2)",
    "require_catalogue": "skuscribe.require_catalogue('main')",
    "require_product": "skuscribe.product p, skuscribe.require_product('main', p.uid) n",
    "text_digest": "skuscribe.text_digest('title', 'text')",
    "wilson": "skuscribe.wilson(0.5, 100)",
}


@dataclass(frozen=True)
class Administrator:
    """The superuser's connection to the test's database."""

    connection: "psycopg.Connection[tuple[Any, ...]]"
    database: str

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.connection.execute(statement.encode())


@pytest.fixture
def administrator(database: str) -> Iterator[Administrator]:
    with superuser(database) as connection:
        yield Administrator(connection, database)


@pytest.fixture
def moved(administrator: Administrator) -> Administrator:
    """pgvector in a schema that is on nobody's search path."""
    administrator.run(f"CREATE SCHEMA {SCHEMA}", f"ALTER EXTENSION vector SET SCHEMA {SCHEMA}")
    return administrator


def migrate_database() -> list[str]:
    with session() as connection:
        return migrate(connection)


def test_everything_works_with_the_extension_in_another_schema(
    moved: Administrator, store: Store, environment: dict[str, str]
) -> None:
    moved.run(f"GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC")
    commit(store, PRODUCTS[:12], HELD_OUT[:3])
    index.run(index_settings.Settings(store=store.url))
    found = NeighbourSearch(find_index("main", catalogue.require(store, "main").digest), "all-MiniLM-L6-v2", 2).of(
        [Title("a", PRODUCTS[1].title)]
    )
    assert found[0][0].uid == PRODUCTS[1].uid
    assert f"in the schema {SCHEMA}" in checks.postgres()
    with reader(environment, moved.database) as connection:
        functions = {name for (name,) in connection.execute(UNCALLED)}
        assert functions == set(CALLS)
        for call in CALLS.values():
            connection.execute(f"SELECT * FROM {call}".encode())
        assert connection.execute("SELECT products, missing FROM skuscribe.coverage").fetchall()
        assert connection.execute("SELECT dimensions FROM skuscribe.norms").fetchall() == [(384,)]


def test_functions_find_the_extension_after_it_was_moved(
    administrator: Administrator, environment: dict[str, str]
) -> None:
    assert migrate_database()
    administrator.run(f"CREATE SCHEMA {SCHEMA}", f"ALTER EXTENSION vector SET SCHEMA {SCHEMA}")
    administrator.run(f"GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC", INDEXED)
    assert migrate_database() == []
    with reader(environment, administrator.database) as connection:
        connection.execute("SELECT * FROM skuscribe.outliers('main', 2)")


def test_a_schema_that_the_owner_may_not_use_is_a_wrong_setting_with_the_statement_to_run(moved: Administrator) -> None:
    statement = f'GRANT USAGE ON SCHEMA {SCHEMA} TO "{postgres.OWNER}"'
    for work in (migrate_database, checks.postgres):
        with pytest.raises(ConfigurationError, match="run GRANT") as caught:
            work()
        assert statement in str(caught.value)
    moved.run(statement)
    assert migrate_database()


def test_a_schema_that_the_reader_may_not_use_is_granted_or_named(
    moved: Administrator, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    moved.run(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {postgres.OWNER}")
    migrate_database()
    assert (
        f"GRANT USAGE ON SCHEMA {SCHEMA.replace(chr(34), chr(92) + chr(34))} TO skuscribe_reader"
        in capsys.readouterr().err
    )
    moved.run(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {postgres.OWNER} WITH GRANT OPTION")
    migrate_database()
    assert "GRANT USAGE" not in capsys.readouterr().err
    moved.run(INDEXED)
    with reader(environment, moved.database) as connection:
        connection.execute("SELECT * FROM skuscribe.outliers('main', 2)")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_a_database_that_is_not_utf8_is_a_wrong_setting(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    name = f"test_{uuid.uuid4().hex[:8]}"
    with superuser("postgres") as owner:
        owner.execute(
            f"CREATE DATABASE {name} OWNER {postgres.OWNER} ENCODING '{encoding}' LOCALE_PROVIDER libc LC_COLLATE 'C' "
            "LC_CTYPE 'C' TEMPLATE template0".encode()
        )
        monkeypatch.setenv("PGDATABASE", name)
        for work in (migrate_database, checks.postgres):
            with pytest.raises(ConfigurationError, match=f"encoding {encoding}.*ENCODING 'UTF8' TEMPLATE template0"):
                work()
        owner.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER DATABASE {database} OWNER TO postgres", 'GRANT CREATE ON DATABASE "{database}" TO "skuscribe"'),
        ("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, skuscribe", "lacks a privilege"),
        ("ALTER DATABASE {database} SET default_transaction_read_only = on", "is read-only"),
        ("CREATE SCHEMA skuscribe", "or does not own it"),
    ],
)
def test_a_privilege_that_a_build_needs_is_missed_by_doctor(
    administrator: Administrator, statement: str, words: str
) -> None:
    assert "pgvector" in checks.postgres()
    administrator.run(statement.format(database=administrator.database))
    with pytest.raises(ConfigurationError) as caught:
        checks.postgres()
    assert words.format(database=administrator.database) in str(caught.value)


def test_a_schema_that_an_administrator_made_needs_no_privilege_on_the_database(administrator: Administrator) -> None:
    administrator.run(
        f"ALTER DATABASE {administrator.database} OWNER TO {postgres.SUPERUSER}",
        f"CREATE SCHEMA skuscribe AUTHORIZATION {postgres.OWNER}",
    )
    assert "pgvector" in checks.postgres()
    assert migrate_database()
    assert migrate_database() == []


def test_the_extension_may_be_in_the_schema_of_the_tables(
    administrator: Administrator, environment: dict[str, str]
) -> None:
    administrator.run(
        f"CREATE SCHEMA skuscribe AUTHORIZATION {postgres.OWNER}", "ALTER EXTENSION vector SET SCHEMA skuscribe"
    )
    assert "pgvector" in checks.postgres()
    assert migrate_database()
    assert migrate_database() == []
    administrator.run(INDEXED)
    with reader(environment, administrator.database) as connection:
        connection.execute("SELECT * FROM skuscribe.outliers('main', 2)")


def test_objects_of_others_in_the_schema_are_left_alone(
    administrator: Administrator, environment: dict[str, str]
) -> None:
    assert migrate_database()
    administrator.run(
        "CREATE TABLE skuscribe.notes ()",
        "CREATE FUNCTION skuscribe.helper() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE AGGREGATE skuscribe.total(int) (SFUNC = int4pl, STYPE = int)",
        f"ALTER AGGREGATE skuscribe.total(int) OWNER TO {postgres.OWNER}",
        "REVOKE SELECT ON skuscribe.migration, skuscribe.product FROM skuscribe_reader",
        "ALTER FUNCTION skuscribe.outliers RESET search_path",
        INDEXED,
    )
    assert migrate_database() == []
    with reader(environment, administrator.database) as connection:
        connection.execute("SELECT * FROM skuscribe.outliers('main', 2)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM skuscribe.notes")
    with superuser(administrator.database) as connection:
        query = "SELECT proconfig FROM pg_proc WHERE oid = 'skuscribe.helper'::regproc"
        assert connection.execute(query).fetchone() == (None,)


def test_doctor_names_the_session_that_holds_the_lock_of_a_build(administrator: Administrator) -> None:
    migrate_database()
    administrator.run(
        "INSERT INTO skuscribe.catalogue (catalogue) VALUES ('main')",
        "SELECT pg_advisory_lock(hashtextextended('skuscribe.index.main', 0))",
    )
    assert (
        f"process {administrator.connection.info.backend_pid} of postgres has been building main for"
        in checks.postgres()
    )


def test_doctor_leaves_nothing_in_the_database(administrator: Administrator) -> None:
    query = "SELECT count(*) FROM pg_class"
    before = administrator.connection.execute(query).fetchone()
    checks.postgres()
    assert administrator.connection.execute(query).fetchone() == before
