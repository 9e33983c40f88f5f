"""Support: whether the words of a sentence are in the title or in the texts of the nearest products.

A sentence of which few words are there says something that nothing speaks for: "Cures headaches and improves the mood within days."
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from jobs.quality.grounding import CACHED_SOURCES
from jobs.quality.metrics import sentences
from jobs.quality.terms import has_digit, term_set, terms
from jobs.quality.word_statistics import WordStatistics

MIN_SENTENCE_TERMS = 6
"""Shorter sentences have too few words to tell."""


@dataclass(frozen=True)
class SentenceSupport:
    """A sentence, and the fraction of its words that a source has, weighted by their rarity."""

    sentence: str
    share: float


def least_supported(text: str, sources: Sequence[str], statistics: WordStatistics) -> SentenceSupport | None:
    """Return the sentence of a text with the least support, None if all are short. Numbers and codes are left to `grounding`."""
    known = frozenset[str]().union(*map(_mentioned, sources))
    found = [support for sentence in sentences(text) if (support := _support(sentence, known, statistics))]
    return min(found, key=lambda support: support.share, default=None)


def _support(sentence: str, known: frozenset[str], statistics: WordStatistics) -> SentenceSupport | None:
    words = [term for term in dict.fromkeys(terms(sentence)) if not has_digit(term)]
    if len(words) < MIN_SENTENCE_TERMS:
        return None
    weights = {word: statistics.rarity(word) for word in words}
    total = sum(weights.values())
    if not total:
        return None
    return SentenceSupport(sentence, sum(weight for word, weight in weights.items() if word in known) / total)


@lru_cache(CACHED_SOURCES)
def _mentioned(source: str) -> frozenset[str]:
    return frozenset(term_set(terms(source)))
