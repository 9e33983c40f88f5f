"""The kind of a product: the word with which the first part of its title ends, such as `kurta` in `Ishin Women Red Kurta with Palazzos`."""

import re
from collections.abc import Sequence

from jobs.quality.metrics import sentences
from jobs.quality.terms import MIN_LETTERS, has_digit, mentioned, term_set, terms
from jobs.quality.word_statistics import WordStatistics

MIN_LETTERS_WITHIN, MIN_LETTERS_BEFORE = 5, 4
"""A kind of at least this number of letters counts anywhere within a word. A shorter one ends a compound, after at least this number of
letters: a handbag is a bag, a laptop no top."""

_ACCOMPANIED = re.compile(r"\b(?:with|for)\b")
_WITH = re.compile(r"\bwith (?!(?:its|our|the|these|this)\b)")
"""With `this` or `our`, sellers praise the product itself: `Show the spirit of your team with these transfers`."""


def other_kind(
    title: str, text: str, neighbour_texts: Sequence[str], statistics: WordStatistics
) -> tuple[str, str] | None:
    """Return the kind that a title names, and another one that the text has in its place: `("kurta", "dress")`. None if there is none.

    The text has no kind of the title, also not in the plural. A kind that texts about other products often mention, such as a case for a
    camera, counts if no neighbour mentions it.
    """
    own = [word for word in terms(title) if statistics.is_kind(word) and statistics.is_repeated(word)]
    in_title, in_text = ({form for term in term_set(terms(side)) for form in _forms(term)} for side in (title, text))
    if not own or any(_is_of_kind(form, kind) for word in own for kind in _forms(word) for form in in_text):
        return None
    others = [
        word
        for word in dict.fromkeys(terms(text))
        if statistics.is_kind(word) and in_title.isdisjoint(_forms(word))
        and (statistics.is_seldom_extra(word) or not any(word in mentioned(source) for source in neighbour_texts))
    ]  # fmt: skip
    return (own[-1], others[0]) if others else None


def as_accessory(title: str, text: str) -> tuple[str, str] | None:
    """Return the product of a title, and a sentence in which it only comes with what it is for or comes with: `("case", "A phone with a case.")`.

    None if there is none. The product is the last word before `with` or `for`, and the text has it later than a word that is after that.
    """
    part, *others = _ACCOMPANIED.split(title.casefold(), maxsplit=1)
    names = [word for word in terms(part) if not has_digit(word)]
    in_text = (sentence for sentence in sentences(text) if names and _mentions(sentence, names[-1]))
    sentence = next(in_text, "")
    before, *after = _WITH.split(sentence.casefold(), maxsplit=1)
    if not (others and after) or _mentions(others[0], names[-1]) or _mentions(before, names[-1]):
        return None
    known = term_set(terms(part))
    accompanying = [
        word for word in terms(others[0]) if word.isalpha() and len(word) >= MIN_LETTERS and word not in known
    ]
    return (names[-1], sentence) if any(_mentions(before, word) for word in accompanying) else None


def _mentions(text: str, kind: str) -> bool:
    """Return whether a text names a kind, also in the plural or as part of a compound."""
    in_text = {form for term in mentioned(text) for form in _forms(term)}
    return any(_is_of_kind(form, known) for known in _forms(kind) for form in in_text)


def _is_of_kind(term: str, kind: str) -> bool:
    """Return whether a term names this kind: a sweatshirt is a shirt, a handbag a bag, `wallet2` a wallet. `that` is no hat."""
    if term == kind or (len(kind) >= MIN_LETTERS_WITHIN and kind in term):
        return True
    return len(kind) >= MIN_LETTERS and len(term) >= len(kind) + MIN_LETTERS_BEFORE and term.endswith(kind)


def _forms(word: str) -> set[str]:
    """Return a word, and what it may be the plural of: `shoes` of `shoe` or `sho`."""
    endings = [ending for ending in ("s", "es") if word.endswith(ending) and not word.endswith("ss")]
    return {word, *(word.removesuffix(ending) for ending in endings if len(word) >= MIN_LETTERS + len(ending))}
