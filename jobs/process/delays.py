"""The delays between attempts to use a service that is not available."""

from collections.abc import Iterator
from random import SystemRandom


def delays(first_seconds: float, max_seconds: float) -> Iterator[float]:
    """Yield delays in seconds without end: they double up to a maximum, each shortened at random by up to a half.

    The random part keeps processes that lost the same service from trying again at the same moment. It leaves the state of `random`
    as it is, which a training continues from.
    """
    generator = SystemRandom()
    seconds = first_seconds
    while True:
        yield seconds * generator.uniform(0.5, 1.0)
        seconds = min(2 * seconds, max_seconds)
