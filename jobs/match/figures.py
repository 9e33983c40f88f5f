"""The accuracy of a matcher: its verdicts on own and wrong texts of products that it has not seen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jobs.match.calibration import CALIBRATED_KINDS
from jobs.match.pairs import Pair
from jobs.quality.checks import (
    CONTRADICTS,
    INVENTED,
    OFF_TITLE,
    UNFINISHED,
    UNSUPPORTED,
    WORDING,
    contradicted_facts,
    invented,
)
from jobs.quality.grounding import ungrounded
from jobs.quality.matcher import Match, Matcher, is_off_title
from jobs.quality.pair_kind import PairKind
from jobs.quality.settings import DEFAULT_NUMBER_SUPPORT

RELIABILITY_BINS = 10
CURVE_POINTS = 21


def figures(matcher: Matcher, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the figures of a matcher on pairs of held-out products, as scores.json has them.

    `flagged`: by kind of text, the share with each reason, and with any of them (`either`). `auc`: area under the ROC curve of own
    against each other kind. `roc`: (share of nearest published, share of own published) by threshold. `reliability`: mean
    probability and share of own texts by bin, own and hard wrong texts weighted equally. `coverage`: by threshold, the share that is
    published of a batch of as many own as nearest texts, and the share of wrong ones among them.
    """
    matches = [matcher.match(pair.title, pair.text, pair.neighbour_titles, pair.neighbours) for pair in pairs]
    probabilities = np.array([match.probability for match in matches])
    kinds = np.array([pair.kind for pair in pairs])
    reasons = {
        OFF_TITLE: np.array([is_off_title(value, matcher.calibration.publish_from) for value in probabilities]),
        CONTRADICTS: _where(_is_contradicted, pairs, matches),
        INVENTED: _where(_is_invented, pairs, matches),
        UNSUPPORTED: np.array([match.is_unsupported for match in matches], dtype=bool),
        WORDING: np.array([match.unseen is not None for match in matches], dtype=bool),
        UNFINISHED: np.array([match.ends_within_a_sentence for match in matches], dtype=bool),
    }
    reasons["either"] = np.any(list(reasons.values()), axis=0)
    own = probabilities[kinds == PairKind.OWN]
    others = {kind.value: probabilities[kinds == kind] for kind in PairKind if kind != PairKind.OWN}
    return {
        "texts": {kind.value: int((kinds == kind).sum()) for kind in PairKind},
        "flagged": {
            kind.value: {reason: _mean(found[kinds == kind]) for reason, found in reasons.items()} for kind in PairKind
        },
        "auc": {kind: area_under_curve(own, values) for kind, values in others.items() if len(values) and len(own)},
        "roc": _roc(own, others[PairKind.NEAREST]),
        "reliability": _reliability(probabilities, kinds),
        "coverage": _coverage(own, others[PairKind.NEAREST]),
    }


def _where(is_found: Callable[[Pair, Match], bool], pairs: Sequence[Pair], matches: Sequence[Match]) -> np.ndarray:
    return np.array([is_found(pair, match) for pair, match in zip(pairs, matches, strict=True)], dtype=bool)


def _is_contradicted(pair: Pair, match: Match) -> bool:
    return bool(contradicted_facts(pair.title, pair.text, (), match))


def _is_invented(pair: Pair, match: Match) -> bool:
    numbers = ungrounded(pair.text, [pair.title], pair.neighbours, DEFAULT_NUMBER_SUPPORT)
    return invented(pair.title, pair.text, pair.neighbours, numbers, match) is not None


def area_under_curve(right: np.ndarray, wrong: np.ndarray) -> float:
    """Return the probability that a right text scores above a wrong one, ties counted half."""
    ordered = np.sort(wrong)
    below = np.searchsorted(ordered, right, "left") + np.searchsorted(ordered, right, "right")
    return round(float(below.sum() / (2 * len(right) * len(wrong))), 4)


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _roc(own: np.ndarray, nearest: np.ndarray) -> list[list[float]]:
    if not len(own) or not len(nearest):
        return []
    thresholds = np.quantile(np.concatenate([own, nearest]), np.linspace(0, 1, CURVE_POINTS))
    return [[round(float((values >= threshold).mean()), 4) for values in (nearest, own)] for threshold in thresholds]


def _reliability(probabilities: np.ndarray, kinds: np.ndarray) -> list[dict[str, float | int]]:
    own = kinds == PairKind.OWN
    hard = np.isin(kinds, [kind.value for kind in CALIBRATED_KINDS]) & ~own
    weight = np.where(own, 1.0, np.where(hard, own.sum() / max(1, hard.sum()), 0.0))
    bins = np.minimum((probabilities * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    rows = []
    for number in range(RELIABILITY_BINS):
        chosen = (bins == number) & (weight > 0)
        total = weight[chosen].sum()
        if total:
            rows.append(
                {
                    "texts": int(chosen.sum()),
                    "probability": round(float((weight * probabilities)[chosen].sum() / total), 4),
                    "own": round(float(weight[chosen & own].sum() / total), 4),
                }
            )
    return rows


def _coverage(own: np.ndarray, nearest: np.ndarray) -> list[dict[str, float]]:
    if not len(own) or not len(nearest):
        return []
    rows = []
    for threshold in np.linspace(0, 1, CURVE_POINTS):
        right, wrong = float((own >= threshold).mean()), float((nearest >= threshold).mean())
        if right + wrong:
            values = {"publish_from": threshold, "published": (right + wrong) / 2, "wrong": wrong / (right + wrong)}
            rows.append({name: round(float(value), 4) for name, value in values.items()})
    return rows
