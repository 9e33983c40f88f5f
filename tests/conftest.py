"""Fixtures of all tests: real Postgres and S3, with a bucket prefix, and a database if asked for, per test."""

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from hypothesis import settings

from jobs.local import postgres, services
from jobs.retrieval.encoder import Encoder
from jobs.retrieval.settings import DEFAULT_ENCODER
from jobs.storage.store import Store
from tests.environment import set_only

if TYPE_CHECKING:
    from tests.ready import Ready

settings.register_profile("no-deadline", deadline=None)  # a busy machine must not fail a test
settings.load_profile("no-deadline")

_VECTORS: dict[str, np.ndarray] = {}
_DIGESTS: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the kill tests, of the fault injection and of the fuzz tests."""
    parser.addoption("--kills", type=int, default=1, help="number of times that each job is killed with each signal")
    parser.addoption(
        "--seed",
        type=int,
        default=13,
        help="seed of the moments at which jobs are killed, of faults, and of the fuzz tests",
    )
    parser.addoption(
        "--fault-runs", type=int, default=1, help="number of releases that run with faults of S3 and Postgres"
    )
    parser.addoption("--lines", type=int, default=2000, help="number of mutated lines of the fuzz tests")
    parser.addoption("--files", type=int, default=30, help="number of mutated files of the fuzz tests")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """Return the number of times that each job is killed with each signal."""
    return int(request.config.getoption("--kills"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of the moments at which jobs are killed, and of the fuzz tests."""
    return int(request.config.getoption("--seed"))


@pytest.fixture
def fault_runs(request: pytest.FixtureRequest) -> int:
    """Return the number of releases that run with faults."""
    return int(request.config.getoption("--fault-runs"))


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> int:
    """Return the number of mutated lines."""
    return int(request.config.getoption("--lines"))


@pytest.fixture
def files(request: pytest.FixtureRequest) -> int:
    """Return the number of mutated files."""
    return int(request.config.getoption("--files"))


@pytest.fixture(scope="session")
def service_folder() -> Iterator[Path]:
    """Start Postgres and S3 for the whole session. Yields their folder.

    The folder is not below pytest's temporary folder, which only this user can enter: as root, Postgres runs as another.
    """
    with tempfile.TemporaryDirectory(prefix="skuscribe-services-") as name:
        folder = Path(name)
        services.start(folder)
        yield folder
        services.stop(folder)


@pytest.fixture
def environment(service_folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the environment variables of both services, with an empty bucket prefix for this test. Returns them."""
    own = services.read_environment(service_folder) | {"SKUSCRIBE_STORE": f"s3://skuscribe/{uuid.uuid4().hex[:8]}"}
    set_only(monkeypatch, own)
    return own


@pytest.fixture
def store(environment: dict[str, str]) -> Store:
    """Return the empty store of this test."""
    return Store(environment["SKUSCRIBE_STORE"])


@pytest.fixture
def database(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create an empty database for this test and set PGDATABASE to it. Yields its name."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    admin = f"host=127.0.0.1 user={postgres.SUPERUSER} dbname=postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {postgres.OWNER}")
    with psycopg.connect(f"host=127.0.0.1 user={postgres.SUPERUSER} dbname={name}", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    monkeypatch.setenv("PGDATABASE", name)
    yield name
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def kept_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode each text once per session with the default encoder, which takes 20 ms a text, and hash its files once."""
    encode, digest = Encoder.encode, Encoder.__dict__["digest"].func

    def encode_new(self: Encoder, texts: Sequence[str]) -> np.ndarray:
        if self.name != DEFAULT_ENCODER or not texts:
            return encode(self, texts)
        new = [text for text in dict.fromkeys(texts) if text not in _VECTORS]
        _VECTORS.update(zip(new, encode(self, new), strict=True))
        return np.stack([_VECTORS[text] for text in texts])

    def digest_once(self: Encoder) -> str:
        if self.name != DEFAULT_ENCODER:
            return str(digest(self))
        if DEFAULT_ENCODER not in _DIGESTS:
            _DIGESTS[DEFAULT_ENCODER] = digest(self)
        return _DIGESTS[DEFAULT_ENCODER]

    monkeypatch.setattr(Encoder, "encode", encode_new)
    monkeypatch.setattr(Encoder, "digest", property(digest_once))


@pytest.fixture(scope="session")
def finished_run(service_folder: Path) -> "Ready":
    """Make a run with everything that `evaluate` and `describe` need, once for the whole session."""
    from tests.ready import finish_run  # loads torch, which most tests don't need

    return finish_run(services.read_environment(service_folder))


@pytest.fixture
def ready(finished_run: "Ready") -> Iterator["Ready"]:
    """Return the finished run, with the environment variables by which a job finds it."""
    from tests.ready import environment_of

    with environment_of(finished_run):
        yield finished_run
