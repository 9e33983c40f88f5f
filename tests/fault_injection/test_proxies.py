"""Each fault that the proxies inject: S3 is asked again, and a lost connection to Postgres is not ready."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.database import connection
from jobs.process.errors import NotReadyError
from jobs.storage.store import Store
from tests.fault_injection import postgres_proxy, s3_proxy
from tests.fault_injection.faults import Fault, Faults
from tests.fault_injection.postgres_proxy import PostgresProxy


class ListedFaults(Faults):
    """Gives the faults of a list, and none after them."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(0.0, "")
        self.listed = list(faults)

    def next(self) -> Fault | None:
        return self.listed.pop(0) if self.listed else None


@contextmanager
def s3_with(faults: list[Fault], environment: dict[str, str], patch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Yield the store of the test, reached through a proxy."""
    server = s3_proxy.s3_proxy(int(environment["AWS_ENDPOINT_URL_S3"].rsplit(":", 1)[1]), ListedFaults(faults))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    try:
        yield Store(environment["SKUSCRIBE_STORE"])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("fault", list(Fault))
def test_s3_is_asked_again_after_each_fault(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Fault
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    Store(environment["SKUSCRIBE_STORE"]).write("a", b"data")
    with s3_with([fault], environment, monkeypatch) as store:
        assert store.read("a") == b"data"
    with s3_with([fault], environment, monkeypatch) as store:
        assert [listed.key for listed in store.objects("")] == ["a"]
    with s3_with([fault], environment, monkeypatch) as store:
        store.download("a", tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == b"data"
    with s3_with([fault], environment, monkeypatch) as store:
        store.upload("b", tmp_path / "a")
        assert store.read("b") == b"data"


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.DELAY])
def test_a_lost_connection_to_postgres_is_not_ready(
    environment: dict[str, str], database: str, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    faults = ListedFaults([])
    proxy = PostgresProxy(int(environment["PGPORT"]), faults)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    monkeypatch.setenv("PGPORT", str(proxy.port))
    with connection.session() as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(NotReadyError), connection.session() as session:
        faults.listed.append(fault)
        session.execute("SELECT 1")


def test_a_slow_answer_of_postgres_is_waited_for(
    environment: dict[str, str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_proxy, "DELAY_SECONDS", 0.05)
    proxy = PostgresProxy(int(environment["PGPORT"]), ListedFaults([Fault.DELAY] * 3))
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    monkeypatch.setenv("PGPORT", str(proxy.port))
    with connection.session() as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
