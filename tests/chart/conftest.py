"""Releases that the tests of the chart look at."""

import pytest

from .rendering import DEMO, PROD, Manifest, render


@pytest.fixture
def prod() -> list[Manifest]:
    """A release with its own services."""
    return render(*PROD)


@pytest.fixture
def demo() -> list[Manifest]:
    """A first try."""
    return render(*DEMO)


@pytest.fixture(params=["prod", "demo"])
def release(request: pytest.FixtureRequest) -> list[Manifest]:
    """Both, one after the other."""
    return render(*{"prod": PROD, "demo": DEMO}[request.param])
