"""Fixtures of the tests that need a cluster. Without KUBECONFIG they are skipped."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.pipeline.cluster import Cluster

from . import kube, simulation

HERE = Path(__file__).parent
TIMEOUT_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and skip it if there is no cluster."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))
            if not os.environ.get("KUBECONFIG"):
                item.add_marker(pytest.mark.skip(reason="no cluster: set KUBECONFIG to a kubeconfig"))


@contextmanager
def own_namespace() -> Iterator[str]:
    """Create a namespace with a random name, and delete it at the end."""
    name = f"skuscribe-test-{uuid.uuid4().hex[:6]}"
    kube.core().create_namespace({"metadata": {"name": name}})
    try:
        yield name
    finally:
        kube.core().delete_namespace(name)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A namespace of this test."""
    with own_namespace() as name:
        yield name


@pytest.fixture
def cluster(namespace: str) -> Cluster:
    """The namespace of this test, as the jobs use it."""
    return Cluster(namespace)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """64 simulated nodes with a GPU and one without."""
    folder = tmp_path_factory.mktemp("kwok")
    program = simulation.kwok(folder)
    if program is None:
        pytest.skip("kwok, which simulates nodes, is not on PATH")
    with simulation.simulated_nodes(program, 64, folder / "kwok.log"):
        yield
