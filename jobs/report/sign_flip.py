"""The sign-flip test of paired differences, which needs no assumption about how they are distributed except symmetry."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

FLIPS = 2000
EXACT_UP_TO = 10
"""With at most this many differences other than zero, every flip is evaluated: at most 1,024."""

_SIGNS_AT_ONCE = 1 << 22
_TOLERANCE = 1e-9
"""As a fraction of the sum of the absolute differences: sums that differ by rounding only are equal."""


def p_value(differences: Sequence[float], seed: int) -> float:
    """Return the two-sided p-value of the mean difference under the hypothesis that each difference may have either sign.

    It is the fraction of sign flips whose mean is as far from zero as the mean found: of all flips, or of `FLIPS` random ones and the
    one found. The same seed gives the same value. Source: Fisher, The Design of Experiments (1935), section 21.
    """
    found = np.asarray(differences, dtype=np.float64)
    values = found[found != 0]
    is_exact = len(values) <= EXACT_UP_TO
    limit = abs(values.sum()) - _TOLERANCE * np.abs(values).sum()
    as_far = 0
    for flipped in _all_flips(len(values)) if is_exact else _random_flips(len(values), seed):
        as_far += int(np.count_nonzero(np.abs(values.sum() - 2 * (flipped @ values)) >= limit))
    return as_far / 2 ** len(values) if is_exact else (as_far + 1) / (FLIPS + 1)


def _all_flips(count: int) -> Iterator[NDArray[np.int8]]:
    """Yield every choice of differences to flip: one array of shape (2 ** count, count), 1 is flipped."""
    yield (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(np.int8)


def _random_flips(count: int, seed: int) -> Iterator[NDArray[np.int8]]:
    """Yield `FLIPS` random choices, in arrays of limited size and of shape (choices, count), 1 is flipped."""
    generator = np.random.default_rng(seed)
    rows = max(1, _SIGNS_AT_ONCE // count)
    for start in range(0, FLIPS, rows):
        yield generator.integers(0, 2, (min(rows, FLIPS - start), count), dtype=np.int8)
