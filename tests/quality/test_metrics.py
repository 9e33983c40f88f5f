"""Repetition, sentences and confidence intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality import metrics


def test_a_sentence_ends_with_its_mark_or_its_line() -> None:
    assert metrics.sentences(" One 1.5 l. Two?  Three\nfour ") == ["One 1.5 l.", "Two?", "Three", "four"]


def test_a_number_is_not_divided_into_clauses() -> None:
    assert metrics.clauses("A jug, of 1.5 l for 1,500 uses.Two, 3") == ["A jug", "of 1.5 l for 1,500 uses", "Two", "3"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.integers(0, 100))
def test_an_interval_contains_its_mean_and_is_reproducible(values: list[float], seed: int) -> None:
    interval = metrics.bootstrap(values, seed, resamples=100)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.value == pytest.approx(sum(values) / len(values))
    assert interval == metrics.bootstrap(values, seed, resamples=100)


def test_an_interval_narrows_with_more_values() -> None:
    few, many = metrics.bootstrap([0, 1] * 10, 13), metrics.bootstrap([0, 1] * 1000, 13)
    assert many.high - many.low < (few.high - few.low) / 5
    # the normal approximation: 1.96 * 0.5 / sqrt(2000)
    assert many.high - many.value == pytest.approx(0.0219, rel=0.15)


def test_values_of_one_cluster_are_no_independent_observations() -> None:
    values = [float(cluster % 2) for cluster in range(20) for _ in range(5)]
    clusters = [cluster for cluster in range(20) for _ in range(5)]
    apart, together = metrics.bootstrap(values, 13), metrics.bootstrap(values, 13, clusters)
    assert together.value == apart.value == 0.5
    # The standard error of 20 observations is sqrt(5) times that of 100.
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(5**0.5, rel=0.15)
    assert metrics.bootstrap(values[::5], 13, range(20)) == metrics.bootstrap(values[::5], 13)


def test_an_interval_of_no_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="found none"):
        metrics.bootstrap([], 13)


def test_repetition_is_the_fraction_of_repeated_word_3_grams() -> None:
    assert metrics.repetition("A fine red shoe for a long day.") == 0
    assert metrics.repetition("very good shoe. Very good shoe. very good shoe") == pytest.approx(4 / 7)
    assert metrics.repetition("la " * 100) > 0.98
    assert metrics.repetition("") == 0
    assert metrics.repetition("two words") == 0
