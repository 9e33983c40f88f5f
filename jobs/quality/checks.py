"""What is wrong with a description, told without any model: each figure, and a reason where it passes its threshold.

| reason      | it is given when |
|-------------|------------------|
| empty       | there is no text |
| repetition  | more than 10 % of the word 3-grams have stood in the text before, or a sentence stands in it twice |
| invented    | a number or code of the text stands in neither the title nor the neighbours' text |
| contradicts | it has another number of what the title counts, or what a neighbour of nearly the same title has instead |
| copied      | 80 % or more of the words are the title's own words, or runs of 8 and more words of one neighbour |
| short       | fewer than 5 words |
| long        | more than 400 words |
| unfinished  | the model was cut off in the middle of a sentence |
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from jobs.quality.metrics import repetition, sentences, words
from jobs.retrieval.neighbours import Neighbour, text_of

REPETITION_AT_MOST = 0.10
COPYING_BELOW = 0.80
COPIED_RUN_WORDS = 8
ALIKE_FROM = 0.6  # of the words of two titles, so many are common and in the same order
WORDS_AT_LEAST, WORDS_AT_MOST = 5, 400
CONTRADICTS = "contradicts"
REASONS = ("empty", "repetition", "invented", CONTRADICTS, "copied", "short", "long", "unfinished")

_CODE = re.compile(r"\w+(?:[-./]\w+)*")
_SENTENCE_CLOSED = re.compile(r"[.!?][\"')\]]*$")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MEASURE = re.compile(r"(?<![\w./])(\d+(?:\.\d+)?)[ -]?([^\W\d_]+)")
_NO_UNITS = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "with", "x"}
)


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


def score(text: str, title: str, neighbours: Sequence[Neighbour], ended: bool) -> Scores:
    """The scores of a description of `title`, written with sight of the `neighbours`.

    `ended`: whether the model ended it by itself. The same text, the same scores.
    """
    length, shown = len(words(text)), [text_of(item) for item in neighbours]
    repeated, grounded, copied = (
        repetition(text),
        grounding(text, [title, *shown]),
        copying(text, title, shown),
    )
    found = {
        "empty": length == 0,
        "repetition": repeated > REPETITION_AT_MOST or _says_a_sentence_twice(text),
        "invented": grounded < 1,
        CONTRADICTS: contradicts(text, title, [item.title for item in neighbours]),
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


def contradicts(text: str, title: str, others: Sequence[str]) -> bool:
    """Whether the text says otherwise than the title: another number, or what is true of another product.

    Where the title has `12-inch`, a text that says `10 inch`, and nowhere 12, says otherwise. Where one of `others`, the titles
    of the neighbours, differs from it by `Slate Grey` in the place of `Red`, so does a text that says `slate grey`, not `red`.
    """
    return _counts_otherwise(text, title) or any(_speaks_of(text, title, other) for other in others)


def _counts_otherwise(text: str, title: str) -> bool:
    right, said = _measures(title), _measures(text)
    return any(not right[unit] & said[unit] for unit in right.keys() & said.keys())


def _measures(text: str) -> dict[str, set[str]]:
    """The numbers before each word, whatever its number: `12 inches, 9W` gives `inch` 12 and `w` 9."""
    found: dict[str, set[str]] = {}
    for number, unit in _MEASURE.findall(_plain(text)):
        if unit not in _NO_UNITS:
            found.setdefault(unit.removesuffix("s").removesuffix("e") or unit, set()).add(number)
    return found


def _speaks_of(text: str, title: str, other: str) -> bool:
    """Whether the text has the words that set `other` apart from the title, where both are nearly the same.

    Most of the words in one place have to be said, and none of the title's; codes count where nothing else differs.
    """
    own, theirs, said = words(title), words(other), set(words(text))
    alike = SequenceMatcher(None, own, theirs, autojunk=False)
    if alike.ratio() < ALIKE_FROM:
        return False
    for change, start, end, other_start, other_end in alike.get_opcodes():
        mine, another = set(own[start:end]) - set(theirs), set(theirs[other_start:other_end]) - set(own)
        another = {word for word in another if word.isalpha()} or another
        if change == "replace" and mine and not mine & said and len(another & said) * 2 > len(another):
            return True
    return False


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
