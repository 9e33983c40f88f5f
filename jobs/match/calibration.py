"""Calibration of a network on test products: Platt scaling, and the thresholds of the verdict."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from jobs.match.pairs import Pair
from jobs.quality.alternatives import Table, stated_beside
from jobs.quality.features import NAMES, measure
from jobs.quality.matcher import MIN_REST_TERMS, Calibration, Matcher, Network, probability
from jobs.quality.pair_kind import PairKind
from jobs.quality.support import Support, known_words, least_supported, unsupported_clause, unsupported_short_sentence
from jobs.quality.terms import without_run
from jobs.quality.word_pairs import WordPairs
from jobs.quality.word_statistics import WordStatistics

CONTRADICTS_SHARE = 0.01
"""Fraction of the sellers' own texts that may contradict their title."""

BESIDE_SHARE, MAX_BESIDE = 0.02, 0.1
"""Fraction of the sellers' own texts that may have an alternative beside the fact of their title where few do, and what counts as few."""

REST_SHARE = 0.05
"""Fraction of the sellers' own texts with their whole title of which the rest may have too low a probability."""

MIN_RESTS = 50
"""With fewer such texts there is no threshold for the rest."""

UNSEEN_SHARE = 0.01
"""Fraction of the sellers' own texts that may have words side by side which no other text has so."""

SUPPORT_SHARE, MAX_SUPPORT = 0.01, 0.3
"""Fraction of the sellers' own texts that may have a sentence with too little support, and the most that a sentence must have."""

MAX_SHORT_SHARE, MAX_CLAUSES_SHARE = 0.05, 0.2
"""Where more of the sellers' own texts have a short sentence, or a clause, of which no source has a word, such ones are no reason."""

MIN_FOUND_CUTS, MIN_FOUND_ADDED = 0.25, 0.05
"""Fractions of the texts with a gap, and of those with an added sentence of another product, that must be found. Where sellers write in
too many ways to find them, wording, or support, is no reason. A sentence of another catalogue is found more often."""

ENOUGH = 0.9
"""A text with this probability is published, even if nearly all own texts have a higher one."""

CALIBRATED_KINDS = (PairKind.OWN, PairKind.NEAREST, PairKind.NEAR, PairKind.EXCHANGED)
"""The probability is that of a true pair among these, which are the hard ones: own and wrong ones have equal weight."""

NOT_CALIBRATED = Calibration(1.0, 0.0, 0.0, float("inf"), 0)

Known: TypeAlias = tuple[str, frozenset[str], str]
"""A text, what its sources mention, and its title."""

_NEWTON_STEPS = 100
_HALVINGS = 60
_RIDGE = 1e-3


def calibrate(
    statistics: WordStatistics,
    word_pairs: WordPairs,
    alternatives: Table,
    network: Network,
    test_pairs: Sequence[Pair],
    hold_back: float,
) -> Matcher:
    """Return the matcher, calibrated on pairs of test products. `hold_back`: fraction of own texts below the threshold."""
    calibrated = [pair for pair in test_pairs if pair.kind in CALIBRATED_KINDS]
    values = measured_values(calibrated, statistics, alternatives)
    logits, own = network.logits(values), np.array([pair.kind == PairKind.OWN for pair in calibrated], dtype=bool)
    slope, offset = _platt(logits, own)
    strongest = values[own, NAMES.index("contradiction_strongest")]
    contradicts_from = float(np.quantile(strongest, 1 - CONTRADICTS_SHARE, method="higher")) + 1e-6
    unset = Calibration(slope, offset, 0.0, contradicts_from, int(own.sum()), _unseen_from(word_pairs, test_pairs))
    publish_from = min(float(np.quantile(probability(logits[own], unset), hold_back)), ENOUGH)
    rests = measured_values(_rests(test_pairs), statistics, alternatives)
    of_rests = probability(network.logits(rests), unset)
    rest_from = min(float(np.quantile(of_rests, REST_SHARE)), publish_from) if len(of_rests) >= MIN_RESTS else 0.0
    own_known = _with_known_words(test_pairs, PairKind.OWN)
    calibration = replace(
        unset,
        publish_from=publish_from,
        rest_from=rest_from,
        support_from=_support_from(statistics, own_known, test_pairs),
        beside_from=_beside_from(alternatives, test_pairs),
        short_sentences=_own_share(unsupported_short_sentence, own_known) <= MAX_SHORT_SHARE,
        clauses=_own_share(unsupported_clause, own_known) <= MAX_CLAUSES_SHARE,
        words=True,
    )
    return Matcher(statistics, word_pairs, alternatives, network, calibration)


def _rests(test_pairs: Sequence[Pair]) -> list[Pair]:
    """Return the own texts that repeat their whole title, without it."""
    found = ((pair, without_run(pair.text, pair.title, MIN_REST_TERMS)) for pair in _of_kind(test_pairs, PairKind.OWN))
    return [replace(pair, text=rest) for pair, rest in found if rest is not None]


def _unseen_from(word_pairs: WordPairs, test_pairs: Sequence[Pair]) -> float:
    """Return the expectation from which an unseen pair of words is a reason, infinity if that would find too few gaps."""
    own, cut = (
        [
            found.expected if (found := word_pairs.unseen_pair(pair.title, pair.text)) else 0.0
            for pair in _of_kind(test_pairs, kind)
        ]
        for kind in (PairKind.OWN, PairKind.CUT)
    )
    threshold = float(np.quantile(own, 1 - UNSEEN_SHARE)) + 1e-6
    return threshold if np.mean([expected >= threshold for expected in cut] or [False]) >= MIN_FOUND_CUTS else math.inf


def _with_known_words(test_pairs: Sequence[Pair], kind: PairKind) -> list[Known]:
    """Return the text of each pair of a kind, what its sources mention, and its title."""
    return [(pair.text, known_words(pair.sources), pair.title) for pair in _of_kind(test_pairs, kind)]


def _support_from(statistics: WordStatistics, own_known: Sequence[Known], test_pairs: Sequence[Pair]) -> float:
    """Return the support below which a sentence is a reason, 0 if that would find too few of the added ones."""
    own, added = (
        [found.share if (found := least_supported(text, known, statistics)) else 1.0 for text, known, _ in texts]
        for texts in (own_known, _with_known_words(test_pairs, PairKind.ADDED))
    )
    threshold = min(float(np.quantile(own, SUPPORT_SHARE)), MAX_SUPPORT)
    return threshold if np.mean([share < threshold for share in added] or [False]) >= MIN_FOUND_ADDED else 0.0


def _own_share(find: Callable[[str, frozenset[str], str], Support | None], own_known: Sequence[Known]) -> float:
    """Return the fraction of the sellers' own texts in which `find` finds a part without support."""
    return sum(find(*known) is not None for known in own_known) / len(own_known)


def _beside_from(alternatives: Table, test_pairs: Sequence[Pair]) -> float:
    """Return the fraction of the sellers' texts below which an alternative beside the fact of a title is a reason."""
    least_usual = [
        min((item.beside_share for item in stated_beside(pair.title, pair.text, alternatives)), default=1.0)
        for pair in _of_kind(test_pairs, PairKind.OWN)
    ]
    return min(float(np.quantile(least_usual, BESIDE_SHARE, method="lower")), MAX_BESIDE)


def _of_kind(pairs: Sequence[Pair], kind: PairKind) -> list[Pair]:
    return [pair for pair in pairs if pair.kind == kind]


def measured_values(pairs: Sequence[Pair], statistics: WordStatistics, alternatives: Table) -> np.ndarray:
    """Return the features of pairs, float64 of shape (pairs, features)."""
    measured = [
        measure(pair.title, pair.text, pair.neighbour_titles, statistics, alternatives).values for pair in pairs
    ]
    return np.array(measured).reshape(-1, len(NAMES))


def _platt(logits: np.ndarray, is_own: np.ndarray) -> tuple[float, float]:
    """Return slope and offset of the logistic regression of `is_own` on the logit, by Newton's method, with a small ridge.

    A step is halved until the loss decreases: a full step diverges if the logits are large and a pair is on the wrong side.
    """
    targets = is_own.astype(np.float64)
    design = np.stack([logits, np.ones(len(logits))], axis=1)
    weights = np.where(targets == 1, 0.5 / max(targets.sum(), 1), 0.5 / max((1 - targets).sum(), 1)) * len(targets)
    start = np.array([1.0, 0.0])

    def loss(solution: np.ndarray) -> float:
        scores = design @ solution
        cross_entropy = weights @ (np.logaddexp(0, scores) - targets * scores)
        return float(cross_entropy + _RIDGE / 2 * ((solution - start) ** 2).sum())

    solution = start
    for _ in range(_NEWTON_STEPS):
        predicted = np.exp(-np.logaddexp(0, -design @ solution))
        gradient = design.T @ (weights * (predicted - targets)) + _RIDGE * (solution - start)
        hessian = (design * (weights * predicted * (1 - predicted))[:, None]).T @ design + _RIDGE * np.eye(2)
        step, before = np.linalg.solve(hessian, gradient), loss(solution)
        fraction = next(
            (0.5**halvings for halvings in range(_HALVINGS) if loss(solution - 0.5**halvings * step) < before), 0
        )
        solution = solution - fraction * step
        if not fraction:
            break
    return float(solution[0]), float(solution[1])
