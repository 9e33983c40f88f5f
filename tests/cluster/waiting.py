"""Waits for a condition, with a deadline that only a failure reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

DEADLINE_SECONDS = 120.0


def wait_until(
    condition: Callable[[], Found | None], expected: str, seconds: float = DEADLINE_SECONDS, interval: float = 0.2
) -> Found:
    """Call `condition` until it returns something true, and return that. Errors: `TimeoutError` naming what was expected."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(interval)
    raise TimeoutError(f"expected within {seconds:.0f} s: {expected}")
