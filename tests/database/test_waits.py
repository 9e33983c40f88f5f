"""A wait for a lock is logged with its holder, again and again, and a job without a wait logs none."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from jobs.database import waits
from jobs.database.connection import exclusive, session
from jobs.database.migrations import migrate
from jobs.process import log
from jobs.process.log import Field

BUILD, MIGRATION = "skuscribe.index.main", "skuscribe.migrate"


class Logged:
    """The warnings that were logged; `once` is set by the first one, `repeated` by the second."""

    def __init__(self) -> None:
        self.fields: list[dict[str, Field]] = []
        self.once, self.repeated = threading.Event(), threading.Event()

    def warning(self, event: str, **fields: Field) -> None:
        if event == "waiting for a lock in Postgres":
            self.fields.append(fields)
            self.once.set()
        if len(self.fields) > 1:
            self.repeated.set()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Logged:
    record = Logged()
    monkeypatch.setattr(log, "warning", record.warning)
    monkeypatch.setattr(waits, "CHECK_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(waits, "LOG_EVERY_SECONDS", 0.1)
    return record


def migrate_database() -> None:
    with session() as connection:
        migrate(connection)


def take_build_lock() -> None:
    with exclusive(BUILD):
        pass


@pytest.mark.parametrize(("work", "key"), [(migrate_database, MIGRATION), (take_build_lock, BUILD)])
def test_a_wait_for_a_lock_is_logged_with_its_holder(
    database: str, logged: Logged, work: Callable[[], None], key: str
) -> None:
    waiting = threading.Thread(target=work)
    with psycopg.connect(application_name="an older job", autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [key])
        waiting.start()
        assert logged.repeated.wait(30)
        assert {fields["holder_pid"] for fields in logged.fields} == {holder.info.backend_pid}
        assert logged.fields[0]["holder_application"] == "an older job"
        assert logged.fields[0]["holder_state"] == "idle"
    waiting.join()


def test_a_wait_for_a_table_is_logged_too(database: str, logged: Logged) -> None:
    migrate_database()

    def drop() -> None:
        with session() as connection:
            connection.execute("DROP TABLE skuscribe.failure")

    waiting = threading.Thread(target=drop)
    with psycopg.connect() as reader:
        reader.execute("SELECT * FROM skuscribe.failure")
        waiting.start()
        assert logged.repeated.wait(30)
        assert logged.fields[0]["holder_state"] == "idle in transaction"
    waiting.join()


def test_a_long_statement_that_waits_for_no_lock_is_not_logged(database: str, logged: Logged) -> None:
    with session() as connection:
        connection.execute("SELECT pg_sleep(0.3)")
    assert logged.fields == []


@pytest.mark.parametrize("log_every_seconds", [3600.0, 0.5])
def test_a_long_statement_is_looked_at_when_its_age_has_doubled_but_at_the_interval_of_the_log_at_last(
    database: str, monkeypatch: pytest.MonkeyPatch, log_every_seconds: float
) -> None:
    """A slow machine makes fewer looks, never more."""
    monkeypatch.setattr(waits, "CHECK_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(waits, "LOG_EVERY_SECONDS", log_every_seconds)
    running, ages = waits.Running(pid=1, began=time.monotonic()), list[float]()

    def connect() -> "psycopg.Connection[Any]":
        ages.append(time.monotonic() - running.began)
        return psycopg.connect()

    watch = waits.Watch(lambda: running, connect, "SELECT 1 WHERE %(pid)s = 0")
    time.sleep(2)
    watch.end()
    assert 0 < len(ages) <= 2 + math.log2(min(ages[-1], log_every_seconds) / 0.02) + ages[-1] / log_every_seconds


def test_each_statement_of_a_transaction_that_waits_is_logged(
    database: str, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOG_EVERY_SECONDS", 3600.0)

    def take_two_locks() -> None:
        with session() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(1)")
            connection.execute_all(("SELECT pg_advisory_xact_lock(2)", None))

    waiting = threading.Thread(target=take_two_locks)
    with psycopg.connect(autocommit=True) as first, psycopg.connect(autocommit=True) as second:
        first.execute("SELECT pg_advisory_lock(1)")
        second.execute("SELECT pg_advisory_lock(2)")
        waiting.start()
        assert logged.once.wait(30)
        first.execute("SELECT pg_advisory_unlock(1)")
        assert logged.repeated.wait(30)
        assert [fields["holder_pid"] for fields in logged.fields] == [first.info.backend_pid, second.info.backend_pid]
    waiting.join()


def test_a_watch_that_cannot_connect_does_not_end_the_job(
    database: str, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session() as connection, monkeypatch.context() as context:
        context.setenv("PGPORT", "1")
        assert connection.execute("SELECT pg_sleep(0.2)").fetchone() == ("",)


def test_a_connection_is_closed_while_a_look_gets_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "CHECK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(waits, "END_SECONDS", 0.01)
    looking, answered = threading.Event(), threading.Event()

    def connect() -> "psycopg.Connection[Any]":
        looking.set()
        answered.wait()
        raise psycopg.OperationalError

    watch = waits.Watch(lambda: waits.Running(1, 0.0), connect, "")
    assert looking.wait(30)
    ending = threading.Thread(target=watch.end)
    ending.start()
    ending.join(10)
    try:
        assert not ending.is_alive()
    finally:
        answered.set()
        ending.join()
