"""Durations as text for people."""

import pytest

from jobs.process.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"), (3599.6, "1 h 0 min"), (7199, "2 h 0 min"), (9000, "2 h 30 min"), (3_700_000, "1,027 h 47 min"),
    ],
)  # fmt: skip
def test_a_duration_is_rounded_to_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
