"""Spelling: words of a title that a text misspells or cuts off, as a model does with names that it has hardly seen."""

import re
from collections.abc import Collection
from itertools import takewhile

from jobs.quality.terms import mentioned, term_set, terms
from jobs.quality.word_statistics import WordStatistics

MIN_TITLE_LETTERS, MIN_LETTERS = 5, 4
MIN_CUT_LETTERS = 2
_INFLECTION = re.compile(r"(?:s|es|d|ed|r|er|n|en|y|ly|ing)")
MAX_TEXTS = 1
"""A word that more texts of the catalogue have is a word of its own."""


def misspelt_word(
    title: str, text: str, sources: Collection[str], statistics: WordStatistics
) -> tuple[str, str] | None:
    """Return a word of the title that the text lacks, and what the text has instead: `("moleskine", "moleskin")`. None if there is none.

    That is a word that hardly any text has, also none of the sources, and that is one letter away from the title's word or its beginning.
    """
    of_text = terms(text)
    in_text = term_set(of_text)
    lacking = [
        word for word in terms(title) if word.isalpha() and len(word) >= MIN_TITLE_LETTERS and word not in in_text
    ]
    found = (
        (right, word)
        for word in of_text
        if word.isalpha() and len(word) >= MIN_LETTERS and statistics.texts[word] <= MAX_TEXTS
        for right in lacking
        if _is_misspelt(word, right) and not any(word in mentioned(source) for source in (title, *sources))
    )
    return next(found, None)


def _is_misspelt(word: str, right: str) -> bool:
    """Return whether a word is another one with one letter changed, added or left out, or its beginning. An inflection is not."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, right, strict=False)))
    rest, right_rest = word[same:], right[same:]
    if not (rest and right_rest) and _INFLECTION.fullmatch(rest + right_rest):
        return False
    return (
        rest[1:] == right_rest[1:]
        or rest == right_rest[1:]
        or rest[1:] == right_rest
        or (not rest and len(right_rest) >= MIN_CUT_LETTERS)
    )
