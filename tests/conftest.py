"""What every test may ask for: the real services, each test in a bucket prefix and a database of its own."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.local import postgres, services
from jobs.storage.store import Store

if TYPE_CHECKING:
    from tests.ready import Ready


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often the kill tests kill, and when."""
    parser.addoption("--kills", type=int, default=1, help="how often each job is killed with each signal")
    parser.addoption("--seed", type=int, default=13, help="the seed of the moments at which jobs are killed")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often each job is killed with each signal."""
    return int(request.config.getoption("--kills"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of the moments at which jobs are killed."""
    return int(request.config.getoption("--seed"))


@pytest.fixture(scope="session")
def service_folder() -> Iterator[Path]:
    """Embedded Postgres and S3, up for the whole session. Not below pytest's folder, which other accounts can't enter."""
    with tempfile.TemporaryDirectory(prefix="skuscribe-services-") as name:
        folder = Path(name)
        services.start(folder)
        yield folder
        services.stop(folder)


@pytest.fixture
def environment(service_folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user of both services, with an empty prefix of the bucket for this test alone."""
    for name in list(os.environ):
        if name.startswith(("SKUSCRIBE_", "AWS_", "PG")):
            monkeypatch.delenv(name)
    found = services.read_environment(service_folder) | {"SKUSCRIBE_STORE": f"s3://skuscribe/{uuid.uuid4().hex[:8]}"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def store(environment: dict[str, str]) -> Store:
    """The store of this test."""
    return Store(environment["SKUSCRIBE_STORE"])


@pytest.fixture
def database(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database of this test's own, named by PGDATABASE."""
    import psycopg

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


@pytest.fixture(scope="session")
def finished_run(service_folder: Path) -> "Ready":
    """A run with everything that `evaluate` and `describe` need, in a store of its own."""
    from tests.ready import finish_run

    return finish_run(services.read_environment(service_folder))


@pytest.fixture
def ready(finished_run: "Ready") -> Iterator["Ready"]:
    """That run, with the environment of its user."""
    from tests.ready import variables_of

    with variables_of(finished_run.variables):
        yield finished_run
