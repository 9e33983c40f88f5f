"""Support: whether the words of a sentence are in the title or in the texts of the nearest products.

A sentence of which few words are there says something that nothing speaks for: "Cures headaches and improves the mood within days."
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.quality.metrics import sentences
from jobs.quality.terms import has_digit, mentioned, term_set, terms
from jobs.quality.word_statistics import WordStatistics

MIN_LETTERS = 3
"""A short sentence without a word of so many letters, such as `30 x 20.`, states nothing in words."""

MIN_SENTENCE_TERMS = 6
"""Shorter sentences have too few words for a share of them to tell."""


@dataclass(frozen=True)
class SentenceSupport:
    """A sentence, and the fraction of its words that a source has, weighted by their rarity."""

    sentence: str
    share: float


def least_supported(text: str, sources: Sequence[str], statistics: WordStatistics) -> SentenceSupport | None:
    """Return the sentence of a text with the least support, None if all are short. Numbers and codes are left to `grounding`."""
    known = frozenset[str]().union(*map(mentioned, sources))
    found = [support for sentence in sentences(text) if (support := _support(sentence, known, statistics))]
    return min(found, key=lambda support: support.share, default=None)


def unsupported_short_sentence(text: str, sources: Sequence[str]) -> SentenceSupport | None:
    """Return the first short sentence of which no source has any word: `Lifetime warranty.` None if there is none."""
    short = [
        (sentence, words)
        for sentence in sentences(text)
        if len(words := _words(sentence)) < MIN_SENTENCE_TERMS and any(len(word) >= MIN_LETTERS for word in words)
    ]
    known = frozenset[str]().union(*map(mentioned, sources)) if short else frozenset()
    return next(
        (SentenceSupport(sentence, 0.0) for sentence, words in short if known.isdisjoint(term_set(words))), None
    )


def _words(sentence: str) -> list[str]:
    return [term for term in dict.fromkeys(terms(sentence)) if not has_digit(term)]


def _support(sentence: str, known: frozenset[str], statistics: WordStatistics) -> SentenceSupport | None:
    words = _words(sentence)
    if len(words) < MIN_SENTENCE_TERMS:
        return None
    weights = {word: statistics.rarity(word) for word in words}
    total = sum(weights.values())
    if not total:
        return None
    return SentenceSupport(sentence, sum(weight for word, weight in weights.items() if word in known) / total)
