"""What can be measured of a title, a text and the titles of similar products without a model: the inputs of the matcher."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum

import numpy as np

from jobs.quality.alternatives import Alternative, Table, conflicting_alternatives
from jobs.quality.terms import absent_terms, has_digit, is_code, term_set, terms
from jobs.quality.word_statistics import WordStatistics

PREFIX_LETTERS = 5
"""Terms with the same first letters count as forms of one word where a feature says so."""

BEGINNING_TERMS = 12
NEVER_SEEN = ""
"""No term: it has the evidence of a word that the catalogue does not have. A word that many texts add has less."""

NAMES = (
    "evidence", "evidence_mean", "evidence_least", "evidence_most", "evidence_numbers", "evidence_first", "evidence_last",
    "share_present", "rarity_present", "rarity_present_forms", "first_present", "last_present", "numbers_present",
    "numbers_absent", "rarest_absent", "rarest_present", "word_pairs_present", "title_terms", "text_terms", "new_numbers",
    "new_numbers_share", "contradiction_strongest", "contradiction_sum", "contradictions", "rarity_present_at_beginning",
    "extra", "extra_mean", "extra_at_beginning", "other_title_share", "other_title_evidence",
)  # fmt: skip
"""New features are added at the end: a matcher of an earlier version uses the first ones."""


@dataclass(frozen=True)
class Measured:
    """What was measured of a title and a text.

    `values`: the features, float64 of shape (len(NAMES),). `missing`: the words of the title that the text lacks. `unexpected`:
    words of the text that the title lacks and that speak against it. Both have the strongest evidence first. `other_title`: the
    neighbour's title that the text fits better than its own, None if there is none.
    """

    values: np.ndarray
    contradictions: list[Alternative]
    missing: list[str]
    unexpected: list[str]
    other_title: str | None


def measure(
    title: str, text: str, neighbour_titles: Sequence[str], statistics: WordStatistics, alternatives: Table
) -> Measured:
    """Return the features of a pair, and what speaks against it.

    `neighbour_titles`: of the nearest other products. A text about another product tends to fit one of them better.
    """
    title_terms, text_terms = terms(title), terms(text)
    words = list(dict.fromkeys(title_terms)) or [""]
    mentioned = term_set(text_terms)
    present = np.array([word in mentioned for word in words])
    evidence = np.array([statistics.evidence(word, bool(here)) for word, here in zip(words, present, strict=True)])
    rarity = np.array([statistics.rarity(word) for word in words])
    extra = absent_terms(text_terms, title_terms)
    of_extra = np.array([statistics.evidence_of_extra(word) for word in extra])
    found = conflicting_alternatives(title, text, alternatives)
    others = [_compare(set(words), other, mentioned, statistics) for other in neighbour_titles]
    features = {
        **_of_evidence(words, evidence),
        **_of_presence(words, present, rarity, text_terms),
        **_of_numbers(words, present, mentioned),
        **_of_contradictions(found),
        **_of_extra_words(extra, of_extra, text_terms),
        "word_pairs_present": _pairs_present(title_terms, text_terms),
        "title_terms": len(words),
        "text_terms": len(text_terms),
        "other_title_share": max((share for share, _ in others), default=0.0),
        "other_title_evidence": max((gain for _, gain in others), default=0.0),
    }
    return Measured(
        np.array([features[name] for name in NAMES], dtype=np.float64),
        found,
        _missing(words, present, evidence, statistics),
        _unexpected(extra, of_extra, statistics.evidence_of_extra(NEVER_SEEN)),
        _better(neighbour_titles, others),
    )


def _of_evidence(words: Sequence[str], evidence: np.ndarray) -> dict[str, float]:
    """Return features of the evidence that each word of the title gives by being in the text or not."""
    numbers = np.array([has_digit(word) for word in words])
    return {
        "evidence": evidence.sum(),
        "evidence_mean": evidence.mean(),
        "evidence_least": evidence.min(),
        "evidence_most": evidence.max(),
        "evidence_numbers": (evidence * numbers).sum(),
        "evidence_first": evidence[0],
        "evidence_last": evidence[-1],
    }


def _of_presence(
    words: Sequence[str], present: np.ndarray, rarity: np.ndarray, text_terms: Sequence[str]
) -> dict[str, float]:
    """Return features of which words of the title the text has, and how rare these are."""
    return {
        "share_present": present.mean(),
        "rarity_present": _share(rarity, present),
        "rarity_present_forms": _share(rarity, _forms(words, present, text_terms)),
        "rarity_present_at_beginning": _share(rarity, _among(text_terms[:BEGINNING_TERMS], words)),
        "rarest_present": rarity[present].max(initial=0.0),
        "rarest_absent": rarity[~present].max(initial=0.0),
        "first_present": present[0],
        "last_present": present[-1],
    }


def _of_numbers(words: Sequence[str], present: np.ndarray, mentioned: set[str]) -> dict[str, float]:
    """Return features of the numbers and codes of the title and of the text."""
    numbers = np.array([has_digit(word) for word in words])
    new = sum(has_digit(term) for term in mentioned.difference(words))
    return {
        "numbers_present": (present & numbers).sum(),
        "numbers_absent": (~present & numbers).sum(),
        "new_numbers": new,
        "new_numbers_share": new / max(1, len(mentioned)),
    }


def _of_contradictions(found: Sequence[Alternative]) -> dict[str, float]:
    strengths = [item.strength for item in found]
    return {
        "contradictions": len(strengths),
        "contradiction_strongest": max(strengths, default=0.0),
        "contradiction_sum": sum(max(strength, 0.0) for strength in strengths),
    }


def _of_extra_words(extra: Sequence[str], evidence: np.ndarray, text_terms: Sequence[str]) -> dict[str, float]:
    """Return features of the evidence of the words that the text adds to the title."""
    return {
        "extra": evidence.sum(),
        "extra_mean": evidence.sum() / max(1, len(extra)),
        "extra_at_beginning": (evidence * _among(text_terms[:BEGINNING_TERMS], extra)).sum(),
    }


def _missing(words: Sequence[str], present: np.ndarray, evidence: np.ndarray, statistics: WordStatistics) -> list[str]:
    """Return the words that the text lacks, the strongest first. A code of this product alone, which no text repeats, says nothing."""
    absent = [words[row] for row in np.argsort(evidence, kind="stable") if words[row] and not present[row]]
    return [word for word in absent if statistics.titles[word] or not is_code(word)]


def _unexpected(extra: Sequence[str], evidence: np.ndarray, at_most: float) -> list[str]:
    """Return the words that speak against a text, the strongest first. Evidence above `at_most` is too weak."""
    order = np.argsort(evidence, kind="stable")
    return [extra[row] for row in order if evidence[row] < 0 and evidence[row] <= at_most]


def _compare(words: set[str], other_title: str, mentioned: set[str], statistics: WordStatistics) -> tuple[float, float]:
    """Return how much better a text fits another title: by share of the words that distinguish the two, and in evidence."""
    other_words = set(terms(other_title))
    gained, lost = other_words - words, words - other_words
    share = _mentioned_share(gained, mentioned, statistics) - _mentioned_share(lost, mentioned, statistics)
    for_other, for_own = (
        fsum(statistics.evidence(word, word in mentioned) for word in side) for side in (gained, lost)
    )
    return share, for_other - for_own


def _mentioned_share(words: set[str], mentioned: set[str], statistics: WordStatistics) -> float:
    """Return the fraction of words that are mentioned, weighted by rarity."""
    return fsum(map(statistics.rarity, words & mentioned)) / max(fsum(map(statistics.rarity, words)), 1e-9)


def _better(titles: Sequence[str], others: Sequence[tuple[float, float]]) -> str | None:
    """Return the first of the titles that the text fits best, if it fits it better than its own by both measures."""
    better = [(share, -rank) for rank, (share, gain) in enumerate(others) if share > 0 and gain > 0]
    return titles[-max(better)[1]] if better else None


def _among(beginning: Sequence[str], words: Sequence[str]) -> np.ndarray:
    """Return which words are among those of a beginning. For so few, `numpy.isin` takes longer."""
    return np.array([word in beginning for word in words], dtype=bool)


def _share(weights: np.ndarray, chosen: np.ndarray) -> float:
    return float((weights * chosen).sum() / max(weights.sum(), 1e-9))


def _forms(words: Sequence[str], present: np.ndarray, text_terms: Sequence[str]) -> np.ndarray:
    """Return which words are in the text in some form: the word, one with the same beginning, or as a part of a compound."""
    beginnings = {term[:PREFIX_LETTERS] for term in text_terms}
    letters = "".join("".join(filter(str.isalnum, term)) for term in text_terms)
    return np.array(
        [
            bool(here) or word[:PREFIX_LETTERS] in beginnings or "".join(filter(str.isalnum, word)) in letters
            for word, here in zip(words, present, strict=True)
        ]
    )


def _pairs_present(title_terms: Sequence[str], text_terms: Sequence[str]) -> float:
    """Return the fraction of the title's pairs of adjacent terms that the text has too."""
    pairs, in_text = list(pairwise(title_terms)), set(pairwise(text_terms))
    return sum(pair in in_text for pair in pairs) / max(1, len(pairs))
