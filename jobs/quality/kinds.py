"""The kind of a product: the word with which the first part of its title ends, such as `kurta` in `Ishin Women Red Kurta with Palazzos`."""

import re
from collections.abc import Sequence

from jobs.quality.terms import mentioned, term_set, terms
from jobs.quality.word_statistics import WordStatistics

MIN_COMPOUND_LETTERS = 5
"""Shorter kinds are within many words that have nothing to do with them."""

_PLURAL = re.compile(r"(?<=\w{3})e?s$")


def other_kind(
    title: str, text: str, neighbour_texts: Sequence[str], statistics: WordStatistics
) -> tuple[str, str] | None:
    """Return the kind that a title names, and another one that the text has in its place: `("kurta", "dress")`. None if there is none.

    The text has no kind of the title, also not in the plural. A kind that texts about other products often mention, such as a case for a
    camera, counts if no neighbour mentions it.
    """
    own = [word for word in terms(title) if statistics.is_kind(word) and statistics.is_repeated(word)]
    in_title, in_text = (set(map(_singular, term_set(terms(side)))) for side in (title, text))
    if not own or any(_is_of_kind(term, _singular(word)) for word in own for term in in_text):
        return None
    others = [
        word
        for word in dict.fromkeys(terms(text))
        if statistics.is_kind(word) and _singular(word) not in in_title
        and (statistics.is_seldom_extra(word) or not any(word in mentioned(source) for source in neighbour_texts))
    ]  # fmt: skip
    return (own[-1], others[0]) if others else None


def _is_of_kind(term: str, kind: str) -> bool:
    """Return whether a term names this kind: `sweatshirt` names a shirt, and `wallet2`, run together, a wallet. `that` names no hat."""
    return term == kind or (len(kind) >= MIN_COMPOUND_LETTERS and kind in term)


def _singular(word: str) -> str:
    return _PLURAL.sub("", word)
