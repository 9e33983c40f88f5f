"""What texts are measured with: ROUGE against a reference, repetition, and how sure a mean is.

ROUGE is rouge-score's, with the Porter stemmer, F-measure, asked through the `evaluate` library. Its words are runs of a-z and
0-9: text of other scripts scores 0.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields

REPETITION_WORDS = 3
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class Rouge:
    """The F-measures of one answer against its reference, each 0..1."""

    rouge1: float
    rouge2: float
    rougeL: float  # noqa: N815  # the names of the field
    rougeLsum: float  # noqa: N815


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def rouge(predictions: Sequence[str], references: Sequence[str]) -> list[Rouge]:
    """ROUGE-1, -2, -L and -Lsum of each prediction against its reference; -Lsum goes sentence by sentence.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries". Errors: ValueError when lengths differ.
    """
    if len(predictions) != len(references):
        raise ValueError(f"each prediction needs a reference: {len(predictions)} and {len(references)} were given")
    if not predictions:
        return []
    from jobs.quality.rouge import RougeMetric

    with tempfile.TemporaryDirectory(prefix="skuscribe-") as folder:  # the library makes one, and leaves it empty
        metric = RougeMetric(keep_in_memory=True, cache_dir=folder)
        texts, expected = (["\n".join(sentences(text)) for text in side] for side in (predictions, references))
        found = metric.compute(predictions=texts, references=expected)
    return [Rouge(*values) for values in zip(*(found[field.name] for field in fields(Rouge)), strict=True)]


def mean(scores: Sequence[Rouge]) -> Rouge:
    """The mean of each figure; zeros where there are no scores."""
    count = max(len(scores), 1)
    return Rouge(*(sum(getattr(score, field.name) for score in scores) / count for field in fields(Rouge)))


def bootstrap(values: Sequence[float], seed: int, resamples: int = 1000) -> Interval:
    """The mean of `values` and its 95 % interval, by the percentile bootstrap (Efron 1979), the same for the same seed.

    Errors: ValueError when there are no values.
    """
    import numpy as np

    if not len(values):
        raise ValueError("the bootstrap needs at least one value, found none")
    sample = np.asarray(values, dtype=np.float64)
    generator = np.random.default_rng(seed)
    means = np.array([sample[generator.integers(0, len(sample), len(sample))].mean() for _ in range(resamples)])
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(sample.mean()), float(low), float(high))


def repetition(text: str) -> float:
    """The share of the text's word 3-grams that have stood in it before, 0..1, whatever their case."""
    found = words(text)
    grams = list(zip(*(found[start:] for start in range(REPETITION_WORDS)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def words(text: str) -> list[str]:
    """The words of a text, in lower case: runs of letters, digits and underscores of any script."""
    return _WORD.findall(text.casefold())


def sentences(text: str) -> list[str]:
    """The sentences of a text: what ends with `.`, `!` or `?` before a space, or with its line."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]
