"""ROUGE, computed by rouge-score with the Porter stemmer, as a metric of the `evaluate` library.

`evaluate.load("rouge")` would download a script from the hub, so the metric is defined here. Source: Lin 2004, "ROUGE: A
Package for Automatic Evaluation of Summaries". rouge-score tokenizes runs of a-z and 0-9: text in other scripts scores 0.
Importing this module takes seconds, unless transformers is loaded already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import datasets
import evaluate
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenize import tokenize

from jobs.process import folders
from jobs.quality.metrics import sentences

CACHED_STEMS = 200_000


@dataclass(frozen=True)
class Rouge:
    """The F-measures of one text against its reference, each 0..1."""

    rouge1: float
    rouge2: float
    rougeL: float  # noqa: N815  # the metric's own spelling
    rougeLsum: float  # noqa: N815


NAMES = tuple(field.name for field in fields(Rouge))


def rouge_scores(predictions: Sequence[str], references: Sequence[str]) -> list[Rouge]:
    """Return ROUGE-1, -2, -L and -Lsum of each prediction against its reference; -Lsum compares sentence by sentence.

    Errors: `ValueError` if the lengths differ.
    """
    if len(predictions) != len(references):
        raise ValueError(f"expected a reference per prediction, found {len(predictions)} and {len(references)}")
    if not predictions:
        return []
    with folders.temporary_folder() as cache:  # the library creates a cache folder and leaves it empty
        metric = RougeMetric(keep_in_memory=True, cache_dir=str(cache))
        texts, expected = (["\n".join(sentences(text)) for text in side] for side in (predictions, references))
        columns = metric.compute(predictions=texts, references=expected)
    return [Rouge(*values) for values in zip(*(columns[name] for name in NAMES), strict=True)]


def mean_rouge(scores: Sequence[Rouge]) -> Rouge:
    """Return the mean of each figure; zeros if there are no scores."""
    count = max(len(scores), 1)
    return Rouge(*(sum(getattr(score, name) for score in scores) / count for name in NAMES))


class RougeMetric(evaluate.Metric):  # type: ignore[misc]  # the library has no type hints
    """F-measures as one list per ROUGE type, with one value per pair. -Lsum takes the lines of a text as its sentences."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="ROUGE-1, -2, -L and -Lsum of each prediction against its reference.",
            citation="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, list[float]]:
        scorer = RougeScorer(list(NAMES), tokenizer=_CachedTokenizer())
        scores = [scorer.score(reference, text) for text, reference in zip(predictions, references, strict=True)]
        return {name: [float(score[name].fmeasure) for score in scores] for name in NAMES}


class _CachedTokenizer:
    """The tokenizer of rouge-score with a cache of stems: stemming takes most of the time of ROUGE."""

    def __init__(self) -> None:
        self.stem: Any = lru_cache(CACHED_STEMS)(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        return list(tokenize(text, self))
