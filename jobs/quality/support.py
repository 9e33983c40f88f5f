"""Support: whether the words of a sentence are in the title or in the texts of the nearest products.

A sentence of which few words are there states what no source supports: "Cures headaches and improves the mood within days." So does
a clause of which no word is there: "A soft red sock, lifetime warranty."
"""

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.quality.metrics import clauses, sentences
from jobs.quality.terms import adjacent, has_digit, is_mentioned, mentioned, term_set, terms
from jobs.quality.word_statistics import WordStatistics

MIN_LETTERS = 3
"""Shorter words, and numbers, state nothing in words: `30 x 20.`"""

MIN_SENTENCE_TERMS = 6
"""Shorter sentences have too few words for a share of them to tell."""

MIN_CLAUSE_WORDS = 2
"""A clause of one word is often part of a list: "for leaves, hedges and trees"."""


@dataclass(frozen=True)
class Support:
    """A sentence or a clause, and the fraction of its words that a source has, weighted by their rarity."""

    part: str
    share: float


def known_words(sources: Iterable[str]) -> frozenset[str]:
    """Return what the sources can be said to mention, and their pairs of adjacent words."""
    sources = list(sources)
    return frozenset[str]().union(*map(mentioned, sources), *map(adjacent, sources))


def least_supported(text: str, known: frozenset[str], statistics: WordStatistics) -> Support | None:
    """Return the sentence of a text with the least support, None if all are short. Numbers and codes are left to `grounding`."""
    found = [support for sentence in sentences(text) if (support := _support(sentence, known, statistics))]
    return min(found, key=lambda support: support.share, default=None)


def unsupported_short_sentence(text: str, known: frozenset[str]) -> Support | None:
    """Return the first short sentence of which no word is known: `Lifetime warranty.` None if there is none."""
    short = (sentence for sentence in sentences(text) if len(_words(sentence)) < MIN_SENTENCE_TERMS)
    return _first_unknown(short, known, at_least=1)


def unsupported_clause(text: str, known: frozenset[str], title: str = "") -> Support | None:
    """Return the first clause of which no word is known: `, lifetime warranty`. None if there is none. `title`: as for `clauses()`."""
    return _first_unknown(clauses(text, title), known, MIN_CLAUSE_WORDS)


def _first_unknown(parts: Iterable[str], known: frozenset[str], at_least: int) -> Support | None:
    """Return the first part without a known word that has enough words of `MIN_LETTERS` letters."""
    for part in parts:
        words = _words(part)
        if sum(len(word) >= MIN_LETTERS for word in words) >= at_least and known.isdisjoint(term_set(words)):
            return Support(part, 0.0)
    return None


def _words(part: str) -> list[str]:
    return [term for term in dict.fromkeys(terms(part)) if not has_digit(term)]


def _support(sentence: str, known: frozenset[str], statistics: WordStatistics) -> Support | None:
    words = _words(sentence)
    if len(words) < MIN_SENTENCE_TERMS:
        return None
    weights = {word: statistics.rarity(word) for word in words}
    total = sum(weights.values())
    if not total:
        return None
    return Support(sentence, sum(weight for word, weight in weights.items() if is_mentioned(word, known)) / total)
