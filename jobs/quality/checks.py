"""Checks of a description that need no model. A description with a reason from this table is not published.

| reason      | given if |
|-------------|----------|
| empty       | the text has no words |
| repetition  | more than 10 % of its word 3-grams repeat an earlier one, or a sentence of 3 or more words occurs twice |
| invented    | a number or code is neither in the title nor in the neighbours' texts in the prompt |
| contradicts | it gives another number for a quantity in the title, or describes a neighbour with a similar title |
| copied      | 80 % or more of its words are words of the title, or are in runs of 8 or more words from one neighbour |
| short       | it has fewer than 5 words |
| long        | it has more than 400 words |
| unfinished  | it reached the maximum length in the middle of a sentence |
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from jobs.quality.metrics import repetition, sentences, words
from jobs.retrieval.neighbours import Neighbour, prompt_texts

MAX_REPETITION = 0.10
MIN_SENTENCE_WORDS = 3
"""Shorter sentences, such as "Buy now!", may occur twice."""
COPYING_THRESHOLD = 0.80
COPIED_RUN_WORDS = 8
MIN_TITLE_SIMILARITY = 0.6
"""The ratio of `difflib.SequenceMatcher` from which two titles, compared word by word, are similar."""
MIN_WORDS, MAX_WORDS = 5, 400
CONTRADICTS = "contradicts"
REASONS = ("empty", "repetition", "invented", CONTRADICTS, "copied", "short", "long", "unfinished")

_CODE = re.compile(r"\w+(?:[-./]\w+)*")
_SENTENCE_CLOSED = re.compile(r"[.!?][\"')\]]*$")
_THOUSANDS_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}\b)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_QUANTITY = re.compile(r"(?<![\w./])(\d+(?:\.\d+)?)[ -]?([^\W\d_]+)")
_NOT_UNITS = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "with", "x"}
)


@dataclass(frozen=True)
class Scores:
    """The scores of a description, and the reasons not to publish it, in the order of `REASONS`.

    `repetition`: fraction of repeated word 3-grams. `grounding`: fraction of its numbers and codes that the title or the
    neighbours have, 1 if it has none. `copying`: fraction of copied words. Each is 0..1.
    """

    repetition: float
    grounding: float
    copying: float
    length_words: int
    flags: tuple[str, ...]


def score(text: str, title: str, neighbours: Sequence[Neighbour], ended: bool) -> Scores:
    """Return the scores of a description of `title` that was generated with `neighbours` in the prompt.

    `ended`: whether the model ended the text before the maximum length.
    """
    length, neighbour_texts = len(words(text)), prompt_texts(neighbours)
    repeated = repetition(text)
    grounded = grounding(text, [title, *neighbour_texts])
    copied = copying(text, title, neighbour_texts)
    failed = {
        "empty": length == 0,
        "repetition": repeated > MAX_REPETITION or _repeats_a_sentence(text),
        "invented": grounded < 1,
        CONTRADICTS: contradicts(text, title, [neighbour.title for neighbour in neighbours]),
        "copied": copied >= COPYING_THRESHOLD,
        "short": 0 < length < MIN_WORDS,
        "long": length > MAX_WORDS,
        "unfinished": length > 0 and not ended and not _SENTENCE_CLOSED.search(text.rstrip()),
    }
    flags = tuple(reason for reason in REASONS if failed[reason])
    return Scores(round(repeated, 6), round(grounded, 6), round(copied, 6), length, flags)


def _repeats_a_sentence(text: str) -> bool:
    tokenized = [tuple(words(sentence)) for sentence in sentences(text)]
    long = [sentence for sentence in tokenized if len(sentence) >= MIN_SENTENCE_WORDS]
    return len(set(long)) < len(long)


def grounding(text: str, sources: Sequence[str]) -> float:
    """Return the fraction of the numbers and codes in `text` that one of the sources has; 1 if the text has none.

    A code is a word with a digit. Case and hyphens are ignored: `A7-B` equals `a7b`. A code that begins with a digit (`10cm`,
    `5-10`, `4x6`) is also grounded if each of its numbers is. `1,000` equals `1000`.
    """
    codes = _codes(text)
    if not codes:
        return 1.0
    known = {form for source in sources for form in _known_forms(source)}
    return sum(_is_known(code, known) for code in codes) / len(codes)


def _codes(text: str) -> list[str]:
    return [code for code in _CODE.findall(_normalized(text)) if any(map(str.isdigit, code))]


def _is_known(code: str, known: set[str]) -> bool:
    if _without_hyphens(code) in known:
        return True
    return code[0].isdigit() and all(number in known for number in _NUMBER.findall(code))


def _known_forms(source: str) -> set[str]:
    """Return the words and codes of a source, its numbers, and each pair of adjacent words as one (`iPhone 15`)."""
    text = _normalized(source)
    codes = [_without_hyphens(code) for code in _CODE.findall(text)]
    return {*codes, *_NUMBER.findall(text), *(left + right for left, right in pairwise(codes))}


def _normalized(text: str) -> str:
    return _THOUSANDS_SEPARATOR.sub("", text.casefold())


def _without_hyphens(code: str) -> str:
    """Return a code without hyphens next to letters and without underscores; `5-10` keeps its hyphen."""
    return code if code.isdecimal() else re.sub(r"(?<=[^\W\d])-|-(?=[^\W\d])|_", "", code)


def contradicts(text: str, title: str, neighbour_titles: Sequence[str]) -> bool:
    """Return whether the text contradicts the title: it gives another number, or describes a neighbour instead.

    If the title has `12-inch`, a text with `10 inch` and without `12 inch` contradicts it. If a neighbour's title has `Slate
    Grey` where this title has `Red`, a text with `slate grey` and without `red` contradicts it.
    """
    return _has_another_number(text, title) or any(_describes_other(text, title, other) for other in neighbour_titles)


def _has_another_number(text: str, title: str) -> bool:
    expected, given = _quantities(title), _quantities(text)
    return any(not expected[unit] & given[unit] for unit in expected.keys() & given.keys())


def _quantities(text: str) -> dict[str, set[str]]:
    """Return the numbers before each word, the word without a plural ending: `12 inches, 9W` gives `inch` 12 and `w` 9."""
    numbers: dict[str, set[str]] = {}
    for number, unit in _QUANTITY.findall(_normalized(text)):
        if unit not in _NOT_UNITS:
            numbers.setdefault(unit.removesuffix("s").removesuffix("e") or unit, set()).add(number)
    return numbers


def _describes_other(text: str, title: str, other_title: str) -> bool:
    """Return whether the text has the words that distinguish a similar title from this one.

    It has more than half of the words that replace words of this title in one place, and none of the replaced words. Codes
    count only if no other word differs.
    """
    title_words, other_words, text_words = words(title), words(other_title), set(words(text))
    matcher = SequenceMatcher(None, title_words, other_words, autojunk=False)
    if matcher.ratio() < MIN_TITLE_SIMILARITY:
        return False
    for change, start, end, other_start, other_end in matcher.get_opcodes():
        own = set(title_words[start:end]) - set(other_words)
        others = set(other_words[other_start:other_end]) - set(title_words)
        others = {word for word in others if word.isalpha()} or others
        if change == "replace" and own and not own & text_words and len(others & text_words) * 2 > len(others):
            return True
    return False


def copying(text: str, title: str, neighbour_texts: Sequence[str]) -> float:
    """Return the fraction of copied words: words of the title, or words in runs of 8 or more words of one neighbour.

    The larger of the two counts, so that common short words and short phrases are not copies.
    """
    text_words = words(text)
    if not text_words:
        return 0.0
    title_words = set(words(title))
    counts = [sum(word in title_words for word in text_words)]
    counts += [_words_in_long_runs(text_words, words(source)) for source in neighbour_texts]
    return max(counts) / len(text_words)


def _words_in_long_runs(text_words: Sequence[str], source: Sequence[str]) -> int:
    """Return the number of words in runs of `COPIED_RUN_WORDS` that the source has too."""
    size = COPIED_RUN_WORDS
    runs = {tuple(source[start : start + size]) for start in range(len(source) - size + 1)}
    covered: set[int] = set()
    for start in range(len(text_words) - size + 1):
        if tuple(text_words[start : start + size]) in runs:
            covered.update(range(start, start + size))
    return len(covered)
