"""Services for other pods: the given credentials, two open ports, a sample, and an end that leaves nothing running."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from jobs.local import services
from jobs.local.postgres import OWNER, SUPERUSER
from jobs.local.serve import SAMPLE_KEY
from jobs.local.server import free_ports
from jobs.storage.store import Store

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
        elsewhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
        process = subprocess.Popen(
            command(folder, *ports, "--sample-rows", "30", "--ready-file", str(ready)),
            env=os.environ | credentials | elsewhere, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Served(process, folder, postgres_port, s3_port)
        process.kill()
        services.stop(folder / "data")
        process.wait()


def test_without_credentials_it_does_not_start(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG"))}
    done = subprocess.run(command(tmp_path), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, PGPASSWORD not set" in done.stderr


def test_s3_takes_the_given_key_and_holds_the_sample(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{served.s3_port}", "AWS_ACCESS_KEY_ID": "given",
        "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    store = Store("s3://skuscribe")
    sample = store.read(SAMPLE_KEY)
    assert sample is not None
    large = secrets.token_bytes(3_000_000)
    store.write("large", large)
    assert store.read("large") == large


def test_postgres_takes_the_given_password_from_the_owner_and_not_from_the_superuser(served: Served) -> None:
    where = {"host": "127.0.0.1", "port": served.postgres_port, "dbname": "skuscribe", "password": PASSWORD}
    with psycopg.connect(**where, user=OWNER) as connection:  # type: ignore[arg-type]  # libpq's own words
        assert connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(**where, user=SUPERUSER)  # type: ignore[arg-type]  # libpq's own words


def test_a_signal_ends_it_and_both_servers(served: Served) -> None:
    served.process.send_signal(signal.SIGTERM)
    _, said = served.process.communicate(timeout=60)
    assert served.process.returncode == 143, said
    assert services.running(served.folder / "data") == []
    assert not (served.folder / "ready").exists()
