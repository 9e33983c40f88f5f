"""The Wilson score interval of a share (Wilson 1927, formula 3 of Newcombe 1998)."""

from math import sqrt
from statistics import NormalDist

from jobs.quality.metrics import Interval

CONFIDENCE = 0.95


def wilson(successes: float, n: float) -> Interval:
    """Return the share `successes / n` with its two-sided 95 % interval, without a correction for continuity.

    Both may be fractions: a weighted share of an effective number of observations. Errors: `ValueError` unless
    0 <= successes <= n and n > 0.
    """
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"expected 0 <= successes <= n and n > 0, found successes {successes}, n {n}")
    share, squared = successes / n, NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2
    centre = (share + squared / (2 * n)) / (1 + squared / n)
    half = sqrt(squared * (share * (1 - share) / n + squared / (4 * n * n))) / (1 + squared / n)
    low = 0.0 if successes == 0 else centre - half  # exactly, without the rounding of the square root
    high = 1.0 if successes == n else centre + half
    return Interval(share, low, high)
