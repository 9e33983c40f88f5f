"""Units of database work are repeated when their connection is lost, and their result is right once and only once."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from jobs.database import repeat
from jobs.database.address import address
from jobs.database.connection import Connection, session
from jobs.database.migrations import migrate
from jobs.database.repeat import repeated, repeated_exclusively
from jobs.process import lifecycle
from jobs.process.errors import ConfigurationError, Interrupted, NotReadyError
from tests.database.roles import superuser
from tests.fault_injection import postgres_proxy
from tests.fault_injection.faults import Fault, Faults
from tests.fault_injection.postgres_proxy import PostgresProxy

pytestmark = pytest.mark.slow

LOST = [fault for fault in Fault if fault is not Fault.DELAY]


class FaultsAt(Faults):
    """Gives one fault at a call, counted from 0, or at every call, and counts the calls."""

    def __init__(self) -> None:
        super().__init__(0.0, "")
        self.at: dict[int, Fault] = {}
        self.always: Fault | None = None
        self.calls = 0

    def next(self) -> Fault | None:
        self.calls += 1
        return self.always or self.at.get(self.calls - 1)

    def inject(self, call: int, fault: Fault) -> None:
        """Let the call, counted from now, fail."""
        self.calls, self.at = 0, {call: fault}


@dataclass
class Waits:
    """The pauses that were made, in seconds."""

    seconds: list[float]


@pytest.fixture
def faults(environment: dict[str, str], database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultsAt]:
    """The faults of a proxy before the test's database."""
    found = FaultsAt()
    proxy = PostgresProxy(int(environment["PGPORT"]), found)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    monkeypatch.setenv("PGPORT", str(proxy.port))
    monkeypatch.setattr(postgres_proxy, "DELAY_SECONDS", 0.01)
    yield found
    found.always = None  # the database is dropped through the proxy


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """Let pauses take no time. Returns them."""
    record = Waits([])
    monkeypatch.setattr(lifecycle, "sleep", record.seconds.append)
    return record


def rows(connection: Connection) -> int:
    found = connection.execute("SELECT count(*) FROM counted").fetchone()
    return int(found[0]) if found else -1


def replace_row(connection: Connection) -> int:
    """Replace the rows of a table by one, with a COPY. Returns the number of rows."""
    with connection.transaction():
        connection.execute("CREATE TABLE IF NOT EXISTS counted (number integer PRIMARY KEY)")
        connection.execute("DELETE FROM counted")
        with connection.cursor() as cursor, cursor.copy("COPY counted FROM STDIN") as copy:
            copy.write_row([1])
    return rows(connection)


def calls_of_a_unit(faults: FaultsAt) -> int:
    before = faults.calls
    repeated(replace_row)
    return faults.calls - before


@pytest.mark.parametrize("fault", list(Fault))
def test_each_fault_at_each_call_of_a_unit_leaves_the_right_result_once(
    faults: FaultsAt, waited: Waits, fault: Fault
) -> None:
    for call in range(calls_of_a_unit(faults)):
        faults.inject(call, fault)
        assert repeated(replace_row) == 1, f"call {call}"
        assert len(waited.seconds) == (0 if fault is Fault.DELAY else call + 1)


@pytest.mark.parametrize("fault", LOST)
def test_each_fault_at_each_call_of_a_migration_leaves_a_migrated_database(
    faults: FaultsAt, waited: Waits, fault: Fault
) -> None:
    for call in range(9):
        with session() as connection:
            connection.execute("DROP SCHEMA IF EXISTS skuscribe CASCADE")
        faults.inject(call, fault)
        repeated(migrate)
        with session() as connection:
            assert migrate(connection) == []


def test_a_connection_an_up_to_date_migration_and_a_statement_are_few_calls(faults: FaultsAt) -> None:
    with session() as connection:
        migrate(connection)
    faults.calls = 0
    with session() as connection:
        assert faults.calls == 1
        migrate(connection)
        assert faults.calls == 3
        connection.execute("SELECT 1")
        assert faults.calls == 4
        with connection.transaction():
            connection.execute_all(("SELECT 1", None), ("SELECT 2", None))
        assert faults.calls == 7


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_lock_repeats_the_whole_unit(faults: FaultsAt, waited: Waits, fault: Fault) -> None:
    begun: list[int] = []

    def work(holder: Connection) -> str:
        begun.append(faults.calls)
        if len(begun) == 1:
            faults.inject(0, fault)
        holder.execute("SELECT 1")
        return "done"

    assert repeated_exclusively("a lock", work) == "done"
    assert len(begun) == 2


def test_a_server_that_loses_every_connection_is_given_up(faults: FaultsAt, waited: Waits) -> None:
    faults.always = Fault.RESET_BEFORE
    with pytest.raises(NotReadyError, match="was lost") as caught:
        repeated(rows)
    assert type(caught.value) is NotReadyError, "an outer unit must not repeat it"
    assert faults.calls == repeat.MAX_ATTEMPTS
    assert sum(waited.seconds) < 40


def test_a_server_that_goes_away_is_given_up_in_bounded_time(
    faults: FaultsAt, waited: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    with socket.socket() as listener, monkeypatch.context() as context:
        listener.bind(("127.0.0.1", 0))  # not listening: the port is taken and refuses connections

        def work(connection: Connection) -> None:
            attempts.append(1)
            context.setenv("PGPORT", str(listener.getsockname()[1]))
            context.setattr(repeat, "_reached", {address()})
            faults.always = Fault.RESET_BEFORE
            connection.execute("SELECT 1")

        with pytest.raises(NotReadyError, match="cannot be reached"):
            repeated(work)
    assert len(attempts) == 1
    assert 10 < sum(waited.seconds) < 40


def test_a_server_that_was_never_reached_is_told_at_once(
    environment: dict[str, str], waited: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PGPORT", str(listener.getsockname()[1]))
        with pytest.raises(NotReadyError, match="cannot be reached"):
            repeated(rows)
    assert waited.seconds == []


def test_a_wrong_password_is_never_repeated(
    environment: dict[str, str], database: str, waited: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context, pytest.raises(ConfigurationError, match="refuses the connection"):
        context.setenv("PGPASSWORD", "wrong")
        repeated(rows)
    assert waited.seconds == []


def test_an_error_of_the_work_is_not_repeated(database: str, waited: Waits) -> None:
    attempts: list[int] = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        connection.execute("SELECT * FROM absent")

    with pytest.raises(NotReadyError, match="no such table"):
        repeated(work)
    assert (len(attempts), waited.seconds) == (1, [])


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_signal_during_a_statement_is_no_lost_connection(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_transaction: bool
) -> None:
    monkeypatch.setattr(lifecycle, "_stop", lifecycle.Stop())
    before = signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, lifecycle._on_signal)

    def work(connection: Connection) -> None:
        threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        with connection.transaction() if in_transaction else nullcontext():
            connection.execute("SELECT pg_sleep(60)")

    try:
        with pytest.raises(Interrupted, match="interrupted by SIGUSR1"):
            repeated(work)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "lost" not in capsys.readouterr().err


def test_a_stop_ends_the_pause_at_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_stop", lifecycle.Stop())
    monkeypatch.setattr(repeat, "FIRST_DELAY_SECONDS", 60.0)
    monkeypatch.setattr(repeat, "MAX_DELAY_SECONDS", 60.0)
    started = time.monotonic()
    with pytest.raises(Interrupted), lifecycle.deferred() as stop:

        def work(connection: Connection) -> None:
            threading.Timer(0.3, setattr, [stop, "requested", True]).start()
            with superuser("postgres") as other:
                other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
            connection.execute("SELECT 1")

        repeated(work)
    assert time.monotonic() - started < 20
