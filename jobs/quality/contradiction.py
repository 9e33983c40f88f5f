"""Contradictions: a text that gives another fact than its title.

Each is a pair: what the title has, and what the text has in its place.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from jobs.quality.metrics import words
from jobs.quality.numbers import CURRENCY, NUMBER_WORDS, UNITS, measures, normalized, plain_number
from jobs.quality.terms import CACHED_SOURCES

MIN_TITLE_SIMILARITY = 0.6
"""The ratio of `difflib.SequenceMatcher` from which two titles, compared word by word, are similar."""

THOUSANDS_DIGITS = 3
_COUNTED = re.compile(r"(?<![\w./])(\d+(?:\.\d+)?)([ -]?)([^\W\d_]+|°)")
_COUNTED_IN_WORDS = re.compile(rf"\b((?:(?:packs?|sets?) of|size) )({'|'.join(NUMBER_WORDS)})\b")
_NAMED_NUMBER = re.compile(r"\b(?:(packs?|sets?) of|(size)) (\d+(?:\.\d+)?)(?![\w/-]|\.\d)")
_WEARERS = frozenset({"men", "mens", "gents", "boys", "women", "womens", "ladies", "girls"})
"""The words with which a title says for whom a product is."""

_MALE = frozenset({"men", "mens", "man", "male", "gents", "gent", "gentlemen", "boys", "boy", "for him"})
_FEMALE = frozenset({"women", "womens", "woman", "female", "ladies", "lady", "girls", "girl", "for her"})
_HIS_RELATIVES = (
    "boyfriend|brother|dad|daddy|father|fiance|grandfather|grandpa|grandson|guy|husband|man|nephew|son|uncle"
)
_GENDERED = re.compile(rf"\bfor (?:him|her)\b(?! (?:{_HIS_RELATIVES})\b)|(?<![\w-])[^\W\d_]+(?![\w-])")

_NOT_COUNTED = UNITS.keys() | {
    "a", "an", "and", "as", "at", "by", "for", "from", "is", "of", "on", "or", "the", "to", "with", "x"
}  # fmt: skip


def other_numbers(title: str, text: str) -> list[tuple[str, str]]:
    """Return the quantities of the title for which the text has only other numbers, as each states the first: `('12"', "10 inches")`."""
    expected, given = _quantities(title), _quantities(text)
    return [
        (next(iter(expected[unit].values())), next(iter(given[unit].values())))
        for unit in expected
        if unit in given and not expected[unit].keys() & given[unit].keys()
    ]


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


def _quantities(text: str) -> dict[str, dict[str, str]]:
    """Return the numbers of each unit, and how the text states them: `12 inches, pack of 9` gives `12` of `inch` and `9` of `pack`.

    A unit is one of measurement, as `measures()` finds them (`20 x 30 cm` has two numbers of `cm`), the word after a number, without a
    plural ending, or what the number counts in `pack of 9`, `set of 3` and `size 42`. `pack of two` is `pack of 2`.
    """
    numbers: dict[str, dict[str, str]] = {}
    text = _COUNTED_IN_WORDS.sub(lambda found: found[1] + NUMBER_WORDS[found[2]], normalized(text))
    found = [
        (item.unit, item.number, text[item.start : item.end] if item.is_stated else f"{item.number} {item.unit}")
        for item in measures(text)
        if item.unit not in (None, CURRENCY)
    ]
    found += [
        (word.removesuffix("s").removesuffix("e") or word, number, f"{number}{space}{word}")
        for number, space, word in _COUNTED.findall(text)
        if word not in _NOT_COUNTED
    ]
    found += [
        (counted.removesuffix("s") or size, number, f"{counted} of {number}" if counted else f"{size} {number}")
        for counted, size, number in _NAMED_NUMBER.findall(text)
    ]
    for unit, number, stated in found:
        for spelling in _spellings(number):
            numbers.setdefault(unit, {}).setdefault(spelling, stated)
    return numbers


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
