"""Negations: a text that denies a word of its title. English negations are known."""

import re
from collections.abc import Iterator

from jobs.quality.metrics import words

MIN_NEGATED_LETTERS = 4
"""Shorter words of a title, such as `for`, state no fact."""

_NEGATION = re.compile(
    r"\b(?:not|never|cannot|no|without|lacks|lacking|excluding|excludes|except|free of|free from|instead of|rather than|unlike"
    r"|faux|fake|imitation|simulated|\w+n['’]t) (?:(?:an?|any|the|(?!only\b)\w+ly) )?(\w+)"
)
"""A negation and the word that it negates, directly or after an article or an adverb: `not fully dimmable`, `without any wool`."""

_NEGATING_AFFIX = re.compile(
    r"\b(?:non[- ]?([^\W\d_]{4,})|un([^\W\d_]{4,})|([^\W\d_]{4,})-free|([^\W\d_]{4,}?)-?less)\b"
)
_NO_FACTS = frozenset({"color", "colour"})
"""`Colorless` is a colour of its own."""


def negated_words(text: str, title: str) -> list[tuple[str, str]]:
    """Return the words of the title that the text negates, and how: `("dimmable", "not dimmable")`.

    What the title negates too, or has in the same words (`non-slip`), is left out.
    """
    in_title, negated_in_title = set(words(title)), {word for word, _ in _negated(title)}
    return [
        (word, negation)
        for word, negation in _negated(text)
        if word in in_title
        and word not in negated_in_title | _NO_FACTS
        and len(word) >= MIN_NEGATED_LETTERS
        and negation not in title.casefold()
    ]


def _negated(text: str) -> Iterator[tuple[str, str]]:
    """Yield the words that a negation precedes or that have a negating affix, each with the negation up to it."""
    text = text.casefold()
    for found in _NEGATION.finditer(text):
        yield found[1], found[0]
    for found in _NEGATING_AFFIX.finditer(text):
        yield next(filter(None, found.groups())), found[0]
