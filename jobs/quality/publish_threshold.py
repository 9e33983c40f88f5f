"""The probability from which texts are right often enough to be published, from the labels of people."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from jobs.database.connection import Connection, statement
from jobs.quality.intervals import wilson

MIN_LABELS = 30
"""Fewer labelled texts at or above a threshold, by their effective number, say too little about it."""


@dataclass(frozen=True)
class LabelledText:
    """What a person says about a text, and the probability that the matcher gave it.

    `weight`: the number of texts of the batch that it represents, by the design of the sample.
    """

    probability: float
    is_right: bool
    weight: float = 1.0


@dataclass(frozen=True)
class Threshold:
    """A probability, and what the labelled texts at or above it show.

    `share` is the weighted share of right texts, `low` and `high` are the bounds of its 95 % Wilson interval. `effective_labels` is
    the effective number of the `labels`. `is_certain`: the lower bound reaches the demanded share. Otherwise the share does, of too
    few labelled texts for their lower bound to reach it.
    """

    probability: float
    labels: int
    effective_labels: float
    share: float
    low: float
    high: float
    is_certain: bool


def labelled_texts(
    connection: Connection, catalogue: str, matcher_digest: str, matched_reasons: Sequence[str]
) -> list[LabelledText]:
    """Return the labelled texts of a catalogue's batches whose verdict depends on their probability only, by this matcher.

    These are the published ones, and those that are held back for nothing but `matched_reasons`, the reasons that follow from a low
    probability: a text that is held back for another reason would not be published at any threshold. Labels of earlier versions,
    whose matcher is not known, count for each; those of an unfinished batch count for none. Labels count as they were given, also
    when their batch has other texts by now: a batch that is written again with its threshold keeps it.
    """
    values = {"catalogue": catalogue, "matcher_digest": matcher_digest, "matched_reasons": list(matched_reasons)}
    return [LabelledText(*row) for row in connection.execute(statement("labelled_texts"), values)]


def publish_threshold(labelled: Sequence[LabelledText], at_least: float) -> Threshold | None:
    """Return the lowest probability from which the share of right texts is at least `at_least` (0 < at_least < 1), or None.

    Each probability of a labelled text is a candidate. If the labelled texts at or above it, or at or above a higher one, are so
    many that the lower bound of the Wilson interval can reach `at_least` (for 0.99: 381), the bound has to. If they are fewer, but
    at least `MIN_LABELS`, the share has to. Both numbers, and the interval, are of the effective number of labels, (sum of
    weights)^2 / sum of squared weights, which is the number of labels if all weights are equal.

    Errors: `ValueError` if `at_least` is not between 0 and 1.
    """
    if not 0 < at_least < 1:
        raise ValueError(f"expected a share between 0 and 1, found {at_least}")
    lowest: Threshold | None = None
    can_be_certain = False
    labels, total, right, squares = 0, 0.0, 0.0, 0.0
    descending = sorted(labelled, key=lambda text: -text.probability)
    for probability, texts in groupby(descending, key=lambda text: text.probability):
        for text in texts:
            labels += 1
            total += text.weight
            right += text.weight * text.is_right
            squares += text.weight**2
        effective = total**2 / squares
        found = wilson(min(right / total, 1.0) * effective, effective)
        can_be_certain = can_be_certain or wilson(effective, effective).low >= at_least
        if effective >= MIN_LABELS and (found.low if can_be_certain else found.value) >= at_least:
            lowest = Threshold(probability, labels, effective, found.value, found.low, found.high, can_be_certain)
    return lowest
