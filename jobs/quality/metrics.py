"""Words, sentences and repetition of a text, and the confidence interval of a mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

REPETITION_WORDS = 3
MAX_DRAWN = 2**20
"""The most values that `bootstrap()` draws at once: 8 MB."""

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?:(?<![A-Z][a-z]\.)(?<![A-Z][a-z]{2}\.)\s+|\s+(?![\s\d]))|\n+")
_CLAUSE_END = re.compile(r"(?<=[a-z])(?=[A-Z])|(?:[;!?()\n]|[.,](?!\d))+")
"""Scraped texts run sentences together: `three-quarter sleevesBlue palazzos`. `4.7` and `1,500` are one number each."""

_NAME = re.compile(r"\S*[a-z][A-Z]\S*\w")


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def bootstrap(
    values: Sequence[float], seed: int, clusters: Sequence[int] | None = None, resamples: int = 1000
) -> Interval:
    """Return the mean of `values` and its 95 % interval, by the percentile bootstrap (Efron 1979).

    `clusters`: the cluster of each value. Those of one cluster are no independent observations, so clusters are drawn, each with
    all its values (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). The same seed gives the same
    interval. Errors: `ValueError` if there are no values.
    """
    if not len(values):
        raise ValueError("the bootstrap needs at least one value, found none")
    sums, sizes = by_cluster(values, range(len(values)) if clusters is None else clusters)
    generator = np.random.default_rng(seed)
    at_once = max(1, MAX_DRAWN // len(sums))
    counts = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    draws = (generator.integers(0, len(sums), (count, len(sums))) for count in counts)
    means = [sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) for drawn in draws]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval(float(np.mean(values)), float(low), float(high))


def by_cluster(values: Sequence[float], clusters: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of the values of each cluster, float64, and how many it has, int64; both of shape (clusters,)."""
    _, places, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    return np.bincount(places, np.asarray(values, dtype=np.float64)), sizes


def repetition(text: str) -> float:
    """Return the fraction (0..1) of the text's word 3-grams that occur earlier in it; case is ignored."""
    tokens = words(text)
    grams = list(zip(*(tokens[start:] for start in range(REPETITION_WORDS)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: runs of letters, digits and underscores of any script."""
    return _WORD.findall(text.casefold())


def sentences(text: str) -> list[str]:
    """Return the sentences of a text. A sentence ends with `.`, `!` or `?` before white space, or with its line.

    An abbreviation before a number, as in `Rs. 310` or `No. 5`, does not end it.
    """
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def clauses(text: str, title: str = "") -> list[str]:
    """Return the parts of a text between commas, semicolons, brackets and the ends of sentences.

    A word with a capital within that the title has too, such as `StarTech.com`, is not divided.
    """
    names = "|".join(map(re.escape, _NAME.findall(title)))
    within = [found.span() for found in re.finditer(names, text)] if names else []
    ends = [
        end.span()
        for end in _CLAUSE_END.finditer(text)
        if not any(first < end.start() and end.end() < last for first, last in within)
    ]
    starts, stops = [0, *(stop for _, stop in ends)], [*(start for start, _ in ends), len(text)]
    parts = (text[start:stop].strip() for start, stop in zip(starts, stops, strict=True))
    return [part for part in parts if part]
