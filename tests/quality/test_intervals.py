"""The Wilson interval, compared with a published table and another implementation."""

import pytest

from jobs.quality.intervals import wilson

NEWCOMBE_1998 = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)]
"""Statistics in Medicine 17:857-872, table I, method 3: successes, observations, bounds of the 95 % interval."""


@pytest.mark.parametrize(("successes", "n", "low", "high"), NEWCOMBE_1998)
def test_the_bounds_are_those_of_the_published_table(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert (round(found.value, 6), round(found.low, 4), round(found.high, 4)) == (round(successes / n, 6), low, high)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (97, 100), (100, 100), (381, 381), (3, 1000)])
def test_the_bounds_are_those_of_scipy(successes: int, n: int) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    expected = scipy_stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (2, 1), (-1, 3)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= successes <= n"):
        wilson(successes, n)
