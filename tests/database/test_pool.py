"""Connection pools: the jobs work through one that keeps sessions and one that does not, and leave no lock or setting behind."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from jobs.database.connection import connect, exclusive, session
from jobs.database.migrations import migrate
from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.process.errors import ConfigurationError
from jobs.retrieval.neighbours import NeighbourSearch
from jobs.retrieval.search_index import find_index
from jobs.storage import catalogue
from jobs.storage.catalogue import Title
from jobs.storage.store import Store
from tests.database.pool import PARAMETERS, pool
from tests.database.roles import superuser
from tests.index.catalogues import HELD_OUT, PRODUCTS, commit

LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.fixture(params=[False, True], ids=["per session", "per transaction"])
def pooled(request: pytest.FixtureRequest, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """A pool in front of the test's database. Yields whether it is per transaction."""
    with pool(per_transaction=request.param) as port, monkeypatch.context() as context:
        context.setenv("PGPORT", str(port))
        yield request.param


def locks(database: str) -> int:
    with superuser(database) as connection:
        row = connection.execute(LOCKS).fetchone()
    return int(row[0]) if row else -1


def test_the_test_pool_changes_the_session_with_the_transaction(pooled: bool) -> None:
    with psycopg.connect(autocommit=True, prepare_threshold=None) as connection:
        pids = {connection.execute("SELECT pg_backend_pid()").fetchone() for _ in range(3)}
    assert len(pids) == (3 if pooled else 1)


def test_an_index_is_built_and_searched_through_a_pool(pooled: bool, store: Store, database: str) -> None:
    commit(store, PRODUCTS[:12], HELD_OUT[:3])
    index.run(index_settings.Settings(store=store.url))
    found = NeighbourSearch(find_index("main", catalogue.require(store, "main").digest), "all-MiniLM-L6-v2", 2).of(
        [Title("a", PRODUCTS[1].title)]
    )
    assert [neighbour.uid for neighbour in found[0]][:1] == [PRODUCTS[1].uid]
    assert locks(database) == 0


def test_a_lock_that_was_released_leaves_nothing_with_the_pool(pooled: bool, database: str) -> None:
    with exclusive("a lock"):
        assert locks(database) == 1
    with exclusive("a lock"):
        assert locks(database) == 1
    assert locks(database) == 0


def test_a_lock_is_held_across_transactions_of_other_connections(pooled: bool, database: str) -> None:
    taken = threading.Event()

    def take() -> None:
        with exclusive("a lock"):
            taken.set()

    thread = threading.Thread(target=take)
    with exclusive("a lock"):
        thread.start()
        with session() as other:
            for _ in range(20):
                other.execute("SELECT 1")
        assert not taken.is_set()
    thread.join()
    assert taken.is_set()


def test_settings_do_not_stay_in_the_sessions_of_a_pool(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with superuser(database) as owner:
        owner.execute(f"ALTER DATABASE {database} SET statement_timeout = '50s'")
    with pool(per_transaction=True) as port, monkeypatch.context() as context:
        context.setenv("PGPORT", str(port))
        with connect() as connection:
            migrate(connection)
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        with psycopg.connect(autocommit=True, prepare_threshold=None) as other:
            seen: set[Any] = {other.execute("SHOW statement_timeout").fetchone() for _ in range(8)}
            paths: set[Any] = {other.execute("SHOW search_path").fetchone() for _ in range(8)}
    assert seen == {("50s",)}
    assert paths == {('"$user", public',)}


def test_options_that_a_pool_refuses_are_a_wrong_setting(pooled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=8MB")
    with pytest.raises(ConfigurationError, match=r"unsupported startup parameter: options\. Check PGOPTIONS"):
        connect()


@pytest.mark.parametrize(("version", "found"), [("13.22", 13), ("9.6.24", 9)])
def test_an_old_postgres_is_refused_before_any_statement(
    database: str, monkeypatch: pytest.MonkeyPatch, version: str, found: int
) -> None:
    """The pool reports the version and has no server: a statement would lose the connection."""
    monkeypatch.setitem(PARAMETERS, "server_version", version)
    with monkeypatch.context() as context:
        context.setenv("PGPORT", "1")
        with pool(per_transaction=True) as port:
            context.setenv("PGPORT", str(port))
            with pytest.raises(
                ConfigurationError, match=rf"Postgres 14 or newer is needed, found {found} at .*: update the server"
            ):
                connect()


@pytest.mark.parametrize("version", ["14.0", ""], ids=["oldest", "not reported"])
def test_a_postgres_that_is_not_known_to_be_too_old_is_connected_to(
    database: str, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.delitem(PARAMETERS, "server_version")
    if version:
        monkeypatch.setitem(PARAMETERS, "server_version", version)
    with pool(per_transaction=True) as port, monkeypatch.context() as context:
        context.setenv("PGPORT", str(port))
        with connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
