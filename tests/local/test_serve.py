"""`services` uses the given credentials, forwards two ports, writes a sample, and leaves nothing running."""

import gzip
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import psycopg
import pytest

from jobs.local import services
from jobs.local.postgres import OWNER, SUPERUSER
from jobs.local.serve import SAMPLE_KEY
from jobs.local.server import free_ports
from jobs.storage.store import Store

pytestmark = pytest.mark.slow

PASSWORD = secrets.token_hex(12)


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[str]
    folder: Path
    postgres_port: int
    s3_port: int


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "jobs", "services", "--folder", str(folder / "data"), *more]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="skuscribe-served-") as name:
        folder, (postgres_port, s3_port) = Path(name), free_ports(2)
        ports = ["--postgres-port", str(postgres_port), "--s3-port", str(s3_port)]
        ready = folder / "ready"
        credentials = {"AWS_ACCESS_KEY_ID": "given", "AWS_SECRET_ACCESS_KEY": PASSWORD, "PGPASSWORD": PASSWORD}
        unreachable = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
        process = subprocess.Popen(
            command(folder, *ports, "--listen", "*", "--sample-rows", "30", "--ready-file", str(ready)),
            env=os.environ | credentials | unreachable, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        log = list(takewhile(lambda line: "services ready" not in line, process.stderr))
        assert ready.exists(), "".join(log)
        yield Served(process, folder, postgres_port, s3_port)
        process.kill()
        services.stop(folder / "data")
        process.wait()


def test_missing_credentials_are_a_wrong_setting(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG"))}
    ended = subprocess.run(command(tmp_path), env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 78
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, PGPASSWORD not set" in ended.stderr


def test_s3_accepts_the_given_key_and_holds_the_sample(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{served.s3_port}", "AWS_ACCESS_KEY_ID": "given",
        "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    store = Store("s3://skuscribe")
    assert len(gzip.decompress(store.read(SAMPLE_KEY) or b"").splitlines()) == 30
    large = secrets.token_bytes(3_000_000)
    store.write("large", large)
    assert store.read("large") == large


def test_postgres_accepts_the_given_password_for_the_owner_and_not_for_the_superuser(served: Served) -> None:
    where = {"host": "127.0.0.1", "port": served.postgres_port, "dbname": "skuscribe", "password": PASSWORD}
    with psycopg.connect(**where, user=OWNER) as connection:  # type: ignore[arg-type]  # libpq's parameters
        assert connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(**where, user=SUPERUSER)  # type: ignore[arg-type]  # libpq's parameters


def has_ipv6_on_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6_on_loopback(), reason="this machine has no IPv6")
def test_both_servers_are_reached_by_ipv6(served: Served) -> None:
    for port in (served.postgres_port, served.s3_port):
        socket.create_connection(("::1", port), timeout=10).close()


def timer(local_port: int, remote_port: int) -> str:
    """Return the kind of timer that Linux shows for a connection: 02 is that of keepalives. The empty text without a connection."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    ends = (f":{local_port:04X}", f":{remote_port:04X}")
    return next((row[5][:2] for row in rows if (row[1][-5:], row[2][-5:]) == ends), "")


def test_a_client_that_is_lost_is_noticed_by_keepalives(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.postgres_port)) as client:
        deadline = time.monotonic() + 30
        while timer(served.postgres_port, client.getsockname()[1]) != "02":
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_signal_stops_both_servers(served: Served) -> None:
    served.process.send_signal(signal.SIGTERM)
    _, log = served.process.communicate(timeout=120)
    assert served.process.returncode == 143, log
    assert services.running(served.folder / "data") == []
    assert not (served.folder / "ready").exists()
