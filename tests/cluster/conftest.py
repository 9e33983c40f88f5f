"""What tests against a cluster may ask for. They need KUBECONFIG; without one they are skipped, each by name."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.pipeline.cluster import Cluster

from . import kube, simulation

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here, and say of each that it needs a cluster where there is none."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            if not os.environ.get("KUBECONFIG"):
                item.add_marker(pytest.mark.skip(reason="no cluster: set KUBECONFIG to the kubeconfig of one"))


@contextmanager
def own_namespace() -> Iterator[str]:
    """A namespace that nobody else uses, removed at the end."""
    name = f"skuscribe-test-{uuid.uuid4().hex[:6]}"
    kube.core().create_namespace({"metadata": {"name": name}})
    try:
        yield name
    finally:
        kube.core().delete_namespace(name)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A namespace of this test's own."""
    with own_namespace() as name:
        yield name


@pytest.fixture
def cluster(namespace: str) -> Cluster:
    """That namespace, as the jobs talk to it."""
    return Cluster(namespace, patience_seconds=60)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """64 simulated GPU nodes and one without a GPU."""
    folder = tmp_path_factory.mktemp("kwok")
    program = simulation.kwok(folder)
    if program is None:
        pytest.skip("no kwok, which simulates nodes: put it on PATH")
    with simulation.simulated_nodes(program, 64, folder / "kwok.log"):
        yield
