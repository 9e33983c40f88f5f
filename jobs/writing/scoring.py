"""What is wrong with a description, told without any model: each figure, and a reason where it passes its threshold.

| reason     | it is given when |
|------------|------------------|
| empty      | there is no text |
| repetition | more than 10 % of the word 3-grams have stood in the text before, or a sentence stands in it twice |
| invented   | a number or code of the text stands in neither the title nor the neighbours' text |
| copied     | 80 % or more of the words are the title's own words, or runs of 8 and more words of one neighbour |
| short      | fewer than 5 words |
| long       | more than 400 words |
| unfinished | the model was cut off in the middle of a sentence |
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from jobs.judging.metrics import repetition, sentences, words

REPETITION_AT_MOST = 0.10
COPYING_BELOW = 0.80
COPIED_RUN_WORDS = 8
WORDS_AT_LEAST, WORDS_AT_MOST = 5, 400
REASONS = ("empty", "repetition", "invented", "copied", "short", "long", "unfinished")

_CODE = re.compile(r"\w+(?:[-./]\w+)*")
_SENTENCE_CLOSED = re.compile(r"[.!?][\"')\]]*$")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Scores:
    """The figures of one description, and the reasons not to publish it, in the order of `REASONS`.

    `repetition`: share of repeated word 3-grams; `grounding`: share of the numbers and codes that title or neighbours
    have, 1 where there are none; `copying`: share of the words taken over; each 0..1.
    """

    repetition: float
    grounding: float
    copying: float
    length_words: int
    flags: tuple[str, ...]


def score(text: str, title: str, neighbours: Sequence[str], ended: bool) -> Scores:
    """The scores of a description of `title`, written with sight of the `neighbours`' texts.

    `ended`: whether the model ended it by itself. The same text, the same scores.
    """
    length = len(words(text))
    repeated, grounded, copied = (
        repetition(text),
        grounding(text, [title, *neighbours]),
        copying(text, title, neighbours),
    )
    found = {
        "empty": length == 0,
        "repetition": repeated > REPETITION_AT_MOST or _says_a_sentence_twice(text),
        "invented": grounded < 1,
        "copied": copied >= COPYING_BELOW,
        "short": 0 < length < WORDS_AT_LEAST,
        "long": length > WORDS_AT_MOST,
        "unfinished": length > 0 and not ended and not _SENTENCE_CLOSED.search(text.rstrip()),
    }
    flags = tuple(reason for reason in REASONS if found[reason])
    return Scores(round(repeated, 6), round(grounded, 6), round(copied, 6), length, flags)


def grounding(text: str, sources: Sequence[str]) -> float:
    """The share of the numbers and codes in `text` that stand in one of the sources; 1 where it has none.

    A code is a word with a digit, in whatever case and with or without its hyphens: `A7-B` is `a7b`. What begins with a digit
    (`10cm`, `5-10`, `4x6`) is grounded by its numbers too, and `1,000` is `1000`.
    """
    codes = _codes(text)
    known = {form for source in sources for form in _known(source)} if codes else set()
    return sum(_is_known(code, known) for code in codes) / len(codes) if codes else 1.0


def copying(text: str, title: str, neighbours: Sequence[str]) -> float:
    """The share of the text's words that are taken over: the title's words, or runs of 8 and more words of one neighbour.

    The greater of the two counts. Short words in common, or a phrase, are no copy.
    """
    found = words(text)
    if not found:
        return 0.0
    own = set(words(title))
    shares = [sum(word in own for word in found), *(_words_in_long_runs(found, words(item)) for item in neighbours)]
    return max(shares) / len(found)


def _words_in_long_runs(found: Sequence[str], source: Sequence[str]) -> int:
    """How many of the words lie in a run of `COPIED_RUN_WORDS` that the source has too."""
    size = COPIED_RUN_WORDS
    runs = {tuple(source[start : start + size]) for start in range(len(source) - size + 1)}
    covered: set[int] = set()
    for start in range(len(found) - size + 1):
        if tuple(found[start : start + size]) in runs:
            covered.update(range(start, start + size))
    return len(covered)


def _says_a_sentence_twice(text: str) -> bool:
    found = [tuple(words(sentence)) for sentence in sentences(text)]
    long = [sentence for sentence in found if len(sentence) >= 3]
    return len(set(long)) < len(long)


def _codes(text: str) -> list[str]:
    return [code for code in _CODE.findall(_plain(text)) if any(map(str.isdigit, code))]


def _is_known(code: str, known: set[str]) -> bool:
    if _compact(code) in known:
        return True
    return code[0].isdigit() and all(number in known for number in _NUMBER.findall(code))


def _known(source: str) -> set[str]:
    """All that a source grounds: its codes, its numbers, and each two neighbouring words as one (`iPhone 15`)."""
    found = [_compact(code) for code in _CODE.findall(_plain(source))]
    return {*found, *_NUMBER.findall(_plain(source)), *(left + right for left, right in pairwise(found))}


def _plain(text: str) -> str:
    return _THOUSANDS.sub("", text.casefold())


def _compact(code: str) -> str:
    """A code that has letters, without its hyphens; a number as it is."""
    return code if code.isdecimal() else re.sub(r"(?<=[^\W\d])-|-(?=[^\W\d])|_", "", code)
