"""The delays between attempts to use a service that is not available."""

import random
from collections.abc import Iterator


def delays(first_seconds: float, max_seconds: float) -> Iterator[float]:
    """Yield delays in seconds without end: they double up to a maximum, each shortened at random by up to a half.

    The random part keeps processes that lost the same service from trying again at the same moment.
    """
    seconds = first_seconds
    while True:
        yield seconds * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        seconds = min(2 * seconds, max_seconds)
