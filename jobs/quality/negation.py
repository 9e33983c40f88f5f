"""Negations: a text that denies a word of its title. English negations are known."""

import re
from collections.abc import Iterator

from jobs.quality.metrics import words

MIN_NEGATED_LETTERS = 4
"""Shorter words of a title, such as `for`, state no fact."""

_NEGATION = re.compile(
    r"\b(?:not|never|cannot|no|without|lacks|lacking|free of(?! charge\b)|free from|instead of|rather than|unlike|faux|fake|imitation|simulated"
    r"|\w+n['’]t) (?:(?:an?|any|the|(?!only\b)\w+ly) )?(\w+)\b(?! like\b)"
)
"""A negation and the word that it negates, directly or after an article or an adverb: `not fully dimmable`, `without any wool`."""

_NEGATING_AFFIX = re.compile(
    r"\b(?:non[- ]?([^\W\d_]{4,})|un([^\W\d_]{2,}(?:ed|able))|([^\W\d_]{4,})-free|([^\W\d_]{4,}?)-?less)\b"
)
"""`unscented`, `dairy-free`, `milkless`; but a lock may well be unlocked: other words with `un` are actions."""

_NEGATED_IN_TITLE = re.compile(
    r"\b(?:no|anti) ?(\w{4,})|\b(\w{4,}) (?:free|resistant|proof|remover|relief|control|protector)\b"
)
"""With these words, a title is of a product against something: a text that negates the same thing does not contradict it."""

_HARMS = frozenset(
    {"dust", "frizz", "lint", "noise", "odor", "odour", "pain", "rust", "scratch", "skid", "slip", "stain", "stress"}
)
_NO_FACTS = frozenset({"color", "colour"}) | _HARMS
"""What products are rather against than made of. `Colorless` is a colour of its own."""


def negated_words(title: str, text: str) -> list[tuple[str, str]]:
    """Return the words of the title that the text negates, and how: `("dimmable", "not dimmable")`.

    What the title negates too (`sugar free`, `anti-slip`), or has in the same words, is left out.
    """
    plain_title = _plain(title)
    against = {word for found in _NEGATED_IN_TITLE.finditer(plain_title) for word in found.groups() if word}
    left_out = {word for word, _ in _negated(plain_title)} | against | _NO_FACTS
    in_title = set(words(title)) - left_out
    return [
        (word, negation)
        for word, negation in _negated(text.casefold())
        if word in in_title and len(word) >= MIN_NEGATED_LETTERS and _plain(negation) not in plain_title
    ]


def _negated(text: str) -> Iterator[tuple[str, str]]:
    """Yield the words that a negation precedes or that have a negating affix, each with its negation. `text`: in lower case."""
    for found in _NEGATION.finditer(text):
        yield found[1], found[0]
    for found in _NEGATING_AFFIX.finditer(text):
        yield next(filter(None, found.groups())), found[0]


def _plain(text: str) -> str:
    """Return a text in lower case and without hyphens."""
    return text.casefold().replace("-", " ")
