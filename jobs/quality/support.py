"""Support: whether the words of a text are in the title or in the texts of the nearest products.

A sentence of which few words are there states what no source supports: "Cures headaches and improves the mood within days." So does
a clause of which no word is there: "A soft red sock, lifetime warranty." A word before one of the title, as in "black leather boots",
and one of what a product is made of, or by whom, need the title or most of these texts.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.quality.grounding import has_code_or_measure
from jobs.quality.metrics import clauses, sentences
from jobs.quality.numbers import COUNT_NOUNS, UNITS
from jobs.quality.terms import (
    MIN_LETTERS,
    adjacent,
    beginnings,
    forms,
    has_digit,
    is_mentioned,
    mentioned,
    term_set,
    terms,
)
from jobs.quality.word_statistics import WordStatistics

MIN_SENTENCE_TERMS = 6
"""Shorter sentences have too few words for a share of them to tell."""

MIN_CLAUSE_WORDS = 2
"""A clause of one word is often part of a list: "for leaves, hedges and trees"."""

_SPACED_WORD = re.compile(r"(\w+(?:[-./]\w+)*)(?:['\u2019]s?)?\s*(?:for\s+(?:an?|the|this|these|your)\s+)?")
"""A word and the white space after it, also after `'s` and with `for the`: one before a comma does not end where the next begins."""

_MADE_OF_OR_BY = re.compile(r"\b(?:by|(?:built|constructed|crafted|made) (?:from|in|of|with))((?: [\w-]+){1,2})")


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


def unsupported_short_sentence(text: str, known: frozenset[str], title: str) -> Support | None:
    """Return the first short sentence that nothing speaks for: `Lifetime warranty.` None if there is none.

    No word of it is known or a form of one of the title, and it has no code and no measure of the title (`It holds 64 GB.`).
    """
    short = (sentence for sentence in sentences(text) if len(_words(sentence)) < MIN_SENTENCE_TERMS)
    return _first_unknown(short, known, title, at_least=1)


def unsupported_clause(text: str, known: frozenset[str], title: str) -> Support | None:
    """Return the first clause that nothing speaks for, as for a short sentence: `, lifetime warranty`. None if there is none."""
    return _first_unknown(clauses(text, title), known, title, MIN_CLAUSE_WORDS)


def unsupported_words(
    title: str, text: str, neighbour_texts: Sequence[str], enough: int, statistics: WordStatistics
) -> tuple[str, ...]:
    """Return the words that a text puts before a word of its title, or says that it is made of, or by whom, without support.

    `leather` of `black leather boots` and of `made of leather` is one, `case` of `a case for the camera`, and `Acme` of `by Acme`.

    The title has no form of such a word, and fewer than `enough` of the neighbours' texts do. Before a word of the title, it is one that
    other titles state. Wording, such as `stylish`, states nothing that can be wrong. Numbers, units and counts are left to `grounding`.
    """
    enough = max(1, min(enough, len(neighbour_texts)))

    def is_unsupported(word: str) -> bool:
        return (
            _may_be_a_fact(word, statistics)
            and not _has_form(title, word)
            and sum(_has_form(neighbour, word) for neighbour in neighbour_texts) < enough
        )

    text = text.casefold()
    before: list[str] = []
    following, end = "", 0
    for match in reversed(list(_SPACED_WORD.finditer(text))):
        word = match[1]
        is_before = match.end() == end and (following in before[-1:] or _is_fact_of(title, following, statistics))
        if is_before and statistics.titles[word] and is_unsupported(word):
            before.append(word)
        following, end = word, match.start()
    named = [word for words in _MADE_OF_OR_BY.findall(text) for word in terms(words) if is_unsupported(word)]
    return tuple(dict.fromkeys([*reversed(before), *named]))


def _is_fact_of(title: str, word: str, statistics: WordStatistics) -> bool:
    return word in mentioned(title) and not has_digit(word) and not statistics.is_wording(word)


def _may_be_a_fact(word: str, statistics: WordStatistics) -> bool:
    return (
        len(word) >= MIN_LETTERS
        and not has_digit(word)
        and word not in UNITS
        and word not in COUNT_NOUNS
        and not statistics.is_wording(word)
    )


def _has_form(source: str, word: str) -> bool:
    """Return whether a source has a word, or a form of it."""
    if not forms(source).isdisjoint(beginnings([word])):
        return True
    return not word.isalnum() and is_mentioned(word, known_words([source]))


def _first_unknown(parts: Iterable[str], known: frozenset[str], title: str, at_least: int) -> Support | None:
    """Return the first part that nothing speaks for and that has enough words of `MIN_LETTERS` letters."""
    of_title = beginnings(terms(title))
    for part in parts:
        words = _words(part)
        is_long_enough = sum(len(word) >= MIN_LETTERS for word in words) >= at_least
        is_known = not (known.isdisjoint(term_set(words)) and of_title.isdisjoint(beginnings(words)))
        if is_long_enough and not is_known and not has_code_or_measure(part, title):
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
