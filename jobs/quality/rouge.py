"""ROUGE as a metric of the `evaluate` library, made here: `evaluate.load("rouge")` would fetch a script from the hub.

The same figures, by the same rouge-score with the Porter stemmer: Lin 2004, "ROUGE: A Package for Automatic Evaluation of
Summaries". Importing this module costs seconds, unless transformers is there already.
"""

from functools import lru_cache
from typing import Any

import datasets
import evaluate
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenize import tokenize

NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_STEMS_KEPT = 200_000


class RougeMetric(evaluate.Metric):  # type: ignore[misc]  # the library carries no types
    """F-measures, a list of each: one of every pair. -Lsum takes the lines of a text for its sentences."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="ROUGE-1, -2, -L and -Lsum of each prediction against its reference.",
            citation="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, list[float]]:
        scorer = RougeScorer(list(NAMES), tokenizer=_Tokenizer())
        scores = [scorer.score(reference, text) for text, reference in zip(predictions, references, strict=True)]
        return {name: [float(score[name].fmeasure) for score in scores] for name in NAMES}


class _Tokenizer:
    """rouge-score's own tokens. The stem of a word is kept, for stemming is most of the time that ROUGE takes."""

    def __init__(self) -> None:
        self.stem: Any = lru_cache(_STEMS_KEPT)(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        return list(tokenize(text, self))
