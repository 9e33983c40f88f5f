"""Terms: the words, codes and measures of a text, in lower case. `10-inch`, `1/2` and `wi-fi` are one term each."""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import pairwise

_TERM = re.compile(r"\w+(?:[-./]\w+)*")
_PART = re.compile(r"[-./]")
FORM_LETTERS = 4

MIN_LETTERS = 3
"""Shorter words, such as `of`, state no fact, and name neither a maker nor a kind of product."""

CACHED_SOURCES, CACHED_TERMS = 256, 2048
"""The candidates of a title are checked one after the other, against the same sources; each check needs the terms of both."""


@lru_cache(CACHED_TERMS)
def terms(text: str) -> tuple[str, ...]:
    """Return the terms of a text in order."""
    return tuple(_TERM.findall(text.casefold()))


def term_set(sequence: Sequence[str]) -> set[str]:
    """Return the terms, the parts of compound ones, and compounds written as one word: what a text can be said to mention."""
    compounds = [term for term in sequence if not term.isalnum()]
    return {
        *sequence,
        *(part for term in compounds for part in _PART.split(term)),
        *(_PART.sub("", term) for term in compounds),
    }


@lru_cache(CACHED_SOURCES)
def mentioned(source: str) -> frozenset[str]:
    """Return what a source can be said to mention, as `term_set()` does."""
    return frozenset(term_set(terms(source)))


@lru_cache(CACHED_SOURCES)
def adjacent(source: str) -> frozenset[str]:
    """Return the pairs of adjacent words of a source, joined with a space."""
    return frozenset(map(" ".join, pairwise(terms(source))))


def is_mentioned(term: str, known: AbstractSet[str]) -> bool:
    """Return whether what is known has a term: as it is, as one word, or the parts of a compound side by side.

    `known`: what `mentioned()` and `adjacent()` return.
    """
    if term in known or term.isalnum():
        return term in known
    parts = _PART.split(term)
    return "".join(parts) in known or all(f"{left} {right}" in known for left, right in pairwise(parts))


def beginnings(sequence: Iterable[str]) -> set[str]:
    """Return the first letters of terms. Two terms with the same ones count as forms of one word: `wool` and `woollen`."""
    return {term[:FORM_LETTERS] for term in sequence}


@lru_cache(CACHED_SOURCES)
def forms(source: str) -> frozenset[str]:
    """Return the `beginnings()` of all that a source can be said to mention."""
    return frozenset(beginnings(mentioned(source)))


def without_run(text: str, phrase: str, at_least: int) -> str | None:
    """Return the terms of a text, joined with spaces, without the first run that is a phrase. None if there is none or fewer are left."""
    words, wanted = terms(text), terms(phrase)
    starts = range(len(words) - len(wanted) + 1) if wanted and len(words) - len(wanted) >= at_least else ()
    start = next((start for start in starts if words[start : start + len(wanted)] == wanted), None)
    if start is None:
        return None
    return " ".join(words[:start] + words[start + len(wanted) :])


def absent_terms(sequence: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return the terms of one text that another does not mention, each once, in order."""
    known = term_set(other)
    return [term for term in dict.fromkeys(sequence) if term not in known]


def phrases(sequence: Sequence[str], longest: int) -> set[str]:
    """Return the runs of 1 to `longest` terms, joined with a space."""
    return {
        " ".join(sequence[start : start + length])
        for length in range(1, longest + 1)
        for start in range(len(sequence) - length + 1)
    }


def has_digit(term: str) -> bool:
    """Return whether a term has a digit: a number, a measure or a code."""
    return not term.isalpha() and any(map(str.isdigit, term))


def is_code(term: str) -> bool:
    """Return whether a term is a code: it has a digit and begins with a letter, while a measure begins with a digit."""
    return not term[0].isdigit() and has_digit(term)
