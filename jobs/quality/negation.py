"""Negations: a text that denies a word of its title, or states what its title denies. English negations are known."""

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

_DISTANT_NEGATION = re.compile(
    r"\b(?:not|cannot|no|without(?! (?:ever )?\w+ing\b)|lacks|lacking|\w+n['’]t)(?! (?:just|limited|only|other)\b)((?: [\w-]+){2,4})"
)
"""A negation and the words to the fourth one after it: `not made of wool`, `does not come with a lid`. Sellers praise
products with `without leaving marks`."""

_WORD = re.compile(r"\w+")
_NOT_INCLUDED = re.compile(r"\b(\w+) (?:(?:are|be|is|must|to) )*(?:not included|not supplied|sold separately)\b")

_AND = re.compile(r" (?:and|&|plus) ")

_NEGATING_AFFIX = re.compile(
    r"\b(?:non[- ]?([^\W\d_]{4,})|un([^\W\d_]{2,}(?:ed|able))|([^\W\d_]{4,})-free|([^\W\d_]{4,}?)-?less)\b"
)
"""`unscented`, `dairy-free`, `milkless`; but a lock may well be unlocked: other words with `un` are actions."""

_NEGATED_IN_TITLE = re.compile(
    r"\b(?:no|anti) ?(\w{4,})|\b(\w{4,}) (?:free|resistant|proof|remover|relief|control|protector)\b"
)
"""With these words, a title is of a product against something: a text that negates the same thing does not contradict it."""

_NEGATING_TITLE_AFFIX = re.compile(r"\b(?:non[- ]([^\W\d_]{4,})|un([^\W\d_]{2,}(?:ed|able))|([^\W\d_]{4,})[- ]free)\b")
"""Of a title: `alcohol free`, `non-padded`, `unscented`. A wireless product may well have a wire."""

_HARMS = frozenset(
    {"dust", "frizz", "lint", "noise", "odor", "odour", "pain", "rust", "scratch", "skid", "slip", "stain", "stress"}
)
_NO_FACTS = frozenset({"color", "colour", "from", "that", "this", "with", "your"}) | _HARMS
"""What products are rather against than made of, and words between facts. `Colorless` is a colour of its own."""


def negated_words(title: str, text: str) -> list[tuple[str, str]]:
    """Return the words of the title that the text negates, and how: `("dimmable", "not dimmable")`.

    A plural counts as its singular. What the title negates too (`sugar free`, `anti-slip`), or has in the same words, is left out.
    """
    plain_title = _plain(title)
    against = {word for found in _NEGATED_IN_TITLE.finditer(plain_title) for word in found.groups() if word}
    left_out = {word for word, _ in _negated(plain_title)} | against | _NO_FACTS
    in_title = set(words(title)) - left_out
    found = [
        (own, negation)
        for word, negation in _negated(text.casefold())
        for own in (word, f"{word}s", word.removesuffix("s"))
        if own in in_title and len(own) >= MIN_NEGATED_LETTERS and _plain(negation) not in plain_title
    ]
    return list(dict.fromkeys(found)) + _not_included(plain_title, text)


def missing_negations(title: str, text: str) -> list[tuple[str, str]]:
    """Return the negations of the title, and the words that the text has without any: `("alcohol-free", "alcohol")`."""
    title, plain_text = title.casefold(), _plain(text)
    elsewhere = set(words(_NEGATING_TITLE_AFFIX.sub(" ", title)))
    stated = set(words(text)) - {word for word, _ in _negated(text.casefold())} - elsewhere - _NO_FACTS
    found = ((next(filter(None, match.groups())), match[0]) for match in _NEGATING_TITLE_AFFIX.finditer(title))
    return [
        (negation, word)
        for word, negation in found
        if word in stated and not any(form in plain_text for form in (f"non {word}", f"{word} free", f"free of {word}"))
    ]


def _not_included(plain_title: str, text: str) -> list[tuple[str, str]]:
    """Return what the title says the product comes with, and the words with which the text says that it does not.

    What follows `for` is what the product is for: it seldom comes with that.
    """
    _, *joined = _AND.split(plain_title.partition(" for ")[0], maxsplit=1)
    included = set(words(" ".join([plain_title.partition(" with ")[2], *joined])))
    return [(found[1], found[0]) for found in _NOT_INCLUDED.finditer(text.casefold()) if found[1] in included]


def _negated(text: str) -> Iterator[tuple[str, str]]:
    """Yield the words that a negation precedes or that have a negating affix, each with its negation. `text`: in lower case."""
    for found in _NEGATION.finditer(text):
        yield found[1], found[0]
    for found in _DISTANT_NEGATION.finditer(text):
        for word in list(_WORD.finditer(found[1]))[1:]:
            yield word[0], text[found.start() : found.start(1) + word.end()]
    for found in _NEGATING_AFFIX.finditer(text):
        yield next(filter(None, found.groups())), found[0]


def _plain(text: str) -> str:
    """Return a text in lower case and without hyphens."""
    return text.casefold().replace("-", " ")
