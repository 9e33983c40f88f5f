"""The sign-flip test: exact for few differences, seeded for many, and with few errors where few questions differ."""

import numpy as np
import pytest

from jobs.report.sign_flip import EXACT_UP_TO, p_value


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([0.3] * 5, 2 / 32),
        ([-0.3] * 6, 2 / 64),
        ([0.1, 0.2, -0.3], 1.0),  # the mean found is zero, so every mean is as far from it
        ([3.0, 1.0], 0.5),
        ([0.0] * 20, 1.0),
        ([0.3] * 5 + [0.0] * 40, 2 / 32),  # equal answers are no evidence
    ],
)
def test_few_differences_give_the_exact_value(differences: list[float], expected: float) -> None:
    assert p_value(differences, seed=1) == pytest.approx(expected)


def test_sums_that_differ_by_rounding_only_are_equal() -> None:
    assert p_value([0.1, 0.2, 0.3, 0.7], seed=1) == 2 / 16
    assert p_value([0.1 + 0.2, -0.3, 0.1], seed=1) == p_value([0.3, -0.3, 0.1], seed=1) == 1.0


def test_many_differences_give_a_value_near_the_exact_one_and_the_same_for_the_same_seed() -> None:
    differences = [1.0] * 9 + [-1.0] * 3  # at least 9 equal signs of 12: 2 * (220 + 66 + 12 + 1) / 4096
    assert len(differences) > EXACT_UP_TO
    assert p_value(differences, seed=1) == pytest.approx(598 / 4096, abs=0.03)
    assert p_value(differences, seed=1) == p_value(differences, seed=1)


def test_a_clear_difference_on_many_questions_is_significant() -> None:
    differences = np.random.default_rng(1).normal(0.5, 1.0, 100).tolist()
    assert p_value(differences, seed=1) < 0.01


def test_without_a_true_difference_few_tests_are_significant() -> None:
    generator = np.random.default_rng(1)
    tests = [generator.laplace(size=20) * (generator.random(20) < 0.5) for _ in range(400)]
    significant = sum(p_value(differences.tolist(), seed=13) < 0.05 for differences in tests)
    assert significant / len(tests) < 0.08
