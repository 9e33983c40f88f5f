"""Copying: how much of a text is taken from its title or from a neighbour."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from jobs.quality.metrics import words
from jobs.quality.terms import CACHED_SOURCES

COPIED_RUN_WORDS = 8

Run: TypeAlias = tuple[str, ...]
"""Adjacent words of a text."""


def copying(title: str, text: str, neighbour_texts: Sequence[str]) -> float:
    """Return the fraction of copied words: 1 if all are words of the title, else those in runs of 8 or more words of one neighbour.

    A text that has most words of its title is right; one that adds none describes nothing. Common short words and short phrases
    of a neighbour are not copies.
    """
    text_words = words(text)
    if not text_words:
        return 0.0
    if set(text_words) <= set(words(title)):
        return 1.0
    runs = _runs(text_words)
    return max((_words_in_runs(runs, _runs_of(source)) for source in neighbour_texts), default=0) / len(text_words)


def _words_in_runs(runs: Sequence[Run], of_source: frozenset[Run]) -> int:
    """Return the number of words in those runs of a text that a source has too."""
    covered: set[int] = set()
    for start, run in enumerate(runs):
        if run in of_source:
            covered.update(range(start, start + COPIED_RUN_WORDS))
    return len(covered)


def _runs(sequence: Sequence[str]) -> list[Run]:
    """Return the runs of `COPIED_RUN_WORDS` words, in order."""
    return [tuple(sequence[start : start + COPIED_RUN_WORDS]) for start in range(len(sequence) - COPIED_RUN_WORDS + 1)]


@lru_cache(CACHED_SOURCES)
def _runs_of(source: str) -> frozenset[Run]:
    return frozenset(_runs(words(source)))
