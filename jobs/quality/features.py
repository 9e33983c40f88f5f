"""What can be measured of a title and a text without a model: the inputs of the matcher."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from jobs.quality.alternatives import Alternative, Table, contradictions
from jobs.quality.terms import has_digit, term_set, terms
from jobs.quality.word_statistics import WordStatistics

PREFIX_LETTERS = 5
"""Terms with the same first letters count as forms of one word where a feature says so."""

BEGINNING_TERMS = 12
NAMES = (
    "evidence", "evidence_mean", "evidence_least", "evidence_most", "evidence_numbers", "evidence_first", "evidence_last",
    "share_present", "rarity_present", "rarity_present_forms", "first_present", "last_present", "numbers_present",
    "numbers_absent", "rarest_absent", "rarest_present", "word_pairs_present", "title_terms", "text_terms", "new_numbers",
    "new_numbers_share", "contradiction_strongest", "contradiction_sum", "contradictions", "rarity_present_at_beginning",
)  # fmt: skip


def features(
    title: str, text: str, statistics: WordStatistics, alternatives: Table
) -> tuple[np.ndarray, list[Alternative]]:
    """Return the features of a pair, float64 of shape (len(NAMES),), and the contradictions found."""
    title_terms, text_terms = terms(title), terms(text)
    words = list(dict.fromkeys(title_terms)) or [""]
    mentioned = term_set(text_terms)
    found = contradictions(title, text, alternatives)
    present = np.array([word in mentioned for word in words])
    evidence = np.array([statistics.evidence(word, bool(here)) for word, here in zip(words, present, strict=True)])
    rarity = np.array([statistics.rarity(word) for word in words])
    numbers = np.array([has_digit(word) for word in words])
    new_numbers = sum(has_digit(term) for term in mentioned.difference(words))
    strengths = [item.strength for item in found]
    values = [
        evidence.sum(), evidence.mean(), evidence.min(), evidence.max(), (evidence * numbers).sum(), evidence[0], evidence[-1],
        present.mean(), _share(rarity, present), _share(rarity, _forms(words, present, text_terms)), present[0], present[-1],
        (present & numbers).sum(), (~present & numbers).sum(), rarity[~present].max(initial=0.0), rarity[present].max(initial=0.0),
        _pairs_present(title_terms, text_terms), len(words), len(text_terms), new_numbers, new_numbers / max(1, len(mentioned)),
        max(strengths, default=0.0), sum(max(strength, 0.0) for strength in strengths), len(strengths),
        _share(rarity, np.isin(words, text_terms[:BEGINNING_TERMS])),
    ]  # fmt: skip
    return np.array(values, dtype=np.float64), found


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
