"""Rendered releases for the tests of the chart."""

import pytest

from .rendering import DEMO, PROD, Manifest, render


@pytest.fixture
def prod() -> list[Manifest]:
    """A release with an external S3 and Postgres."""
    return render(*PROD)


@pytest.fixture
def demo() -> list[Manifest]:
    """The demo."""
    return render(*DEMO)


@pytest.fixture(params=["prod", "demo"])
def release(request: pytest.FixtureRequest) -> list[Manifest]:
    """Each of the two releases."""
    return render(*{"prod": PROD, "demo": DEMO}[request.param])
