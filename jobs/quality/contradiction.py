"""Contradictions: a text that gives another fact than its title.

Each is a pair: what the title has, and what the text has in its place.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from jobs.quality.metrics import words
from jobs.quality.numbers import (
    CURRENCY,
    NUMBER_WORDS,
    UNITS,
    measures,
    normalized,
    plain_number,
    with_counts_in_digits,
)
from jobs.quality.terms import CACHED_SOURCES, MIN_LETTERS, adjacent, beginnings, forms, terms

MIN_TITLE_SIMILARITY = 0.6
"""The ratio of `difflib.SequenceMatcher` from which two titles, compared word by word, are similar."""

THOUSANDS_DIGITS = 3
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NUMBER_WORD = "|".join(word for word in NUMBER_WORDS if word not in {"one", "dozen"})
_COUNTED = re.compile(rf"(?<![\w./])(\d+(?:\.\d+)?|(?<!ty[ -])(?:{_NUMBER_WORD})(?=[ -]))([ -]?)([^\W\d_]+|°)")
"""A number, also in words, and what it counts: `two pockets`. That of `twenty-two pockets` is none of its own."""

_MEASURED = re.compile(r"[ -]?([^\W\d_]{3,})(?![\w+/&])")
"""What has a measure: the word after it, as in `5 mm bore`. `1512 GB HDD+SSD` is of both together."""

_NAMED_NUMBER = re.compile(r"\b(?:(packs?|sets?) of|(size)) (\d+(?:\.\d+)?)(?![\w/-]|\.\d)")
_WEARERS = frozenset({"men", "mens", "gents", "boys", "women", "womens", "ladies", "girls"})
"""The words with which a title says for whom a product is."""

_MALE = frozenset({"men", "mens", "man", "male", "gents", "gent", "gentlemen", "boys", "boy", "for him"})
_FEMALE = frozenset({"women", "womens", "woman", "female", "ladies", "lady", "girls", "girl", "for her"})
_HIS_RELATIVES = (
    "boyfriend|brother|dad|daddy|father|fiance|grandfather|grandpa|grandson|guy|husband|man|nephew|son|uncle"
)
_GENDERED = re.compile(rf"\bfor (?:him|her)\b(?! (?:\w+ )?(?:{_HIS_RELATIVES})s?\b)|(?<![\w-])[^\W\d_]+(?![\w-])")

_NOT_COUNTED = UNITS.keys() | {
    "a", "an", "and", "as", "at", "by", "for", "from", "is", "of", "on", "or", "the", "to", "with", "x"
}  # fmt: skip


def other_numbers(title: str, text: str) -> list[tuple[str, str]]:
    """Return the quantities of the title for which the text has other numbers, as each states the first: `('12"', "10 inches")`.

    Both have numbers of a unit beside it, and none of these is the same: `120 x 170 cm`, `120 x 180 cm`. But a text may have only
    numbers of the title, in another order or not all of them (`30 x 20 cm`, `from 5 years`), or all of them and further ones.
    """
    expected, given = _quantities(title), _quantities(text)
    found = []
    for unit in [unit for unit in expected if unit in given]:
        own, others = expected[unit], given[unit]
        if own.beside.isdisjoint(others.beside) and not (own.known >= others.known or others.known >= own.known):
            found.append((own.first_without(others), others.first_without(own)))
    return found


def other_gender(title: str, text: str) -> list[tuple[str, str]]:
    """Return for whom the title says that a product is, and another gender in the text: `("men", "for her")`.

    English words are known. Pronouns elsewhere, and `X-Men`, say nothing: books and films have them.
    """
    in_title, in_text = (_GENDERED.findall(side.casefold()) for side in (title, text))
    if "unisex" in in_title:
        return []
    return [
        (wearer, other)
        for own, others in ((_MALE, _FEMALE), (_FEMALE, _MALE))
        for wearer in [word for word in in_title if word in own & _WEARERS][:1]
        for other in [word for word in in_text if word in others][:1]
        if others.isdisjoint(in_title)
    ]


def facts_of_another(title: str, text: str, other_titles: Sequence[str]) -> list[tuple[str, str]]:
    """Return the words that distinguish a similar title from this one, where the text has those: `("red", "slate grey")`.

    The text has more than half of the words that replace words of this title in one place, and none of the replaced words.
    Codes count only if no other word differs.
    """
    text_words = set(words(text))
    return [
        (replacement.own, replacement.others)
        for other_title in other_titles
        for replacement in _replacements(title, other_title)
        if not replacement.own_words & text_words
        and len(replacement.other_words & text_words) * 2 > len(replacement.other_words)
    ]


def exchanged_words(title: str, text: str, other_titles: Sequence[str]) -> list[tuple[str, str]]:
    """Return the words of the title, each before another one, where the text has what a similar title has there: `("regular fit", "slim fit")`.

    The text has no form of the title's word, and the title none of the text's. The first word of the title, its maker, is left out.
    """
    in_title, in_text = terms(title), terms(text)
    title_forms, text_forms = forms(title), forms(text)
    expected: dict[str, str] = {}
    for word, following in pairwise(in_title[1:]):
        if _is_fact(word) and _is_fact(following):
            expected[following] = expected.get(following, word) if text_forms.isdisjoint(beginnings([word])) else ""
    return [
        (f"{expected[following]} {following}", f"{word} {following}")
        for word, following in pairwise(in_text)
        if expected.get(following) and _is_fact(word) and title_forms.isdisjoint(beginnings([word]))
        and any(f"{word} {following}" in adjacent(other) for other in other_titles)
    ]  # fmt: skip


def _is_fact(word: str) -> bool:
    return word.isalpha() and len(word) >= MIN_LETTERS and word not in _NOT_COUNTED


@dataclass
class _Numbers:
    """The numbers of a unit in a text: how it states each, by spelling, and those that have the unit beside them."""

    stated: dict[str, str] = field(default_factory=dict)
    beside: set[str] = field(default_factory=set)

    @property
    def known(self) -> AbstractSet[str]:
        """All numbers, in each spelling."""
        return self.stated.keys()

    def first_without(self, other: "_Numbers") -> str:
        """Return how the first number is stated that the other text does not have."""
        return next(stated for spelling, stated in self.stated.items() if spelling not in other.known)


def _quantities(text: str) -> dict[str, _Numbers]:
    """Return the numbers of each unit: `12 inches, pack of 9` gives `12` of `inch` and `9` of `pack`.

    A unit is one of measurement, as `measures()` finds them (`20 x 30 cm` has two numbers of `cm`), the word after a number, without a
    plural ending, or what the number counts in `pack of 9`, `set of 3` and `size 42`. `pack of two` is `pack of 2`.
    """
    text = with_counts_in_digits(normalized(text))
    quantities: dict[str, _Numbers] = defaultdict(_Numbers)

    def add(unit: str, number: str, stated: str, *, is_beside: bool = True) -> None:
        for spelling in _spellings(number):
            quantities[unit].stated.setdefault(spelling, stated)
            if is_beside:
                quantities[unit].beside.add(spelling)

    for item in measures(text):
        if item.unit is not None and item.unit != CURRENCY:
            stated = text[item.start : item.end] if item.is_stated else f"{item.number} {item.unit}"
            number, of = _NUMBER.findall(text[item.start : item.end])[0], _MEASURED.match(text, item.end)
            add(item.unit, number, stated, is_beside=item.is_stated)
            if of and item.is_stated and of[1] not in _NOT_COUNTED:
                add(f"{item.unit} {of[1]}", number, f"{stated} {of[1]}")
    for number, space, word in _COUNTED.findall(text):
        if word not in _NOT_COUNTED:
            stated = f"{number}{space}{word}"
            add(word.removesuffix("s").removesuffix("e") or word, NUMBER_WORDS.get(number, number), stated)
    for counted, size, number in _NAMED_NUMBER.findall(text):
        stated = f"{counted} of {number}" if counted else f"{size} {number}"
        add(counted.removesuffix("s") or size, number, stated)
    return quantities


def _spellings(number: str) -> set[str]:
    """Return a number without zeros at its end, and the one that it is if its point separates thousands: `12.000` may be 12000."""
    whole, _, decimals = number.partition(".")
    return {plain_number(number), *([whole + decimals] if len(decimals) == THOUSANDS_DIGITS else [])}


@dataclass(frozen=True)
class _Replacement:
    """What one title has in the place of what a similar one has, and the words that distinguish the two."""

    own: str
    others: str
    own_words: frozenset[str]
    other_words: frozenset[str]


@lru_cache(CACHED_SOURCES)
def _replacements(title: str, other_title: str) -> tuple[_Replacement, ...]:
    title_words, other_words = words(title), words(other_title)
    matcher = SequenceMatcher(None, title_words, other_words, autojunk=False)
    if matcher.ratio() < MIN_TITLE_SIMILARITY:
        return ()
    found = []
    for change, start, end, other_start, other_end in matcher.get_opcodes():
        replaced, replacing = title_words[start:end], other_words[other_start:other_end]
        own = frozenset(replaced).difference(other_words)
        others = frozenset(replacing).difference(title_words)
        others = frozenset(filter(str.isalpha, others)) or others
        if change == "replace" and own:
            found.append(_Replacement(" ".join(replaced), " ".join(replacing), own, others))
    return tuple(found)
