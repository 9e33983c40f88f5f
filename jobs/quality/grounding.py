"""Grounding: which numbers and codes of a text its sources have."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

from jobs.quality.terms import has_digit

_CODE = re.compile(r"\w+(?:[-./]\w+)*")
_THOUSANDS_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_END_OF_DIGITS = re.compile(r"(?<=\d)(?=[^\W\d])")
MIN_BEGINNING = 4
"""Shorter beginnings of a code name another product: `S10` is not `S10e`."""

CACHED_SOURCES = 256
"""The candidates of a title are checked one after the other, against the same sources."""


def grounded_share(text: str, missing: Sequence[str]) -> float:
    """Return the fraction of the numbers and codes in `text` that are not among `missing`, as `ungrounded()` returns them."""
    codes = _codes(text)
    return 1 - len(missing) / len(codes) if codes else 1.0


def ungrounded(text: str, sources: Sequence[str], others: Sequence[str] = (), support: int = 1) -> list[str]:
    """Return the numbers and codes in `text` that neither a source nor `support` of the others have, in order, as often as they occur.

    If there are fewer others, all of them must have it. A code is a word with a digit. Case and hyphens are ignored: `A7-B` equals
    `a7b`. A code that begins with a digit (`10cm`, `5-10`, `4x6`) is known if each of its numbers is, and `HP15/HP17` if both parts
    are. `1,000` equals `1000`, and `2.60` equals `2.6`. A source with the code `DCT418S1` also has its beginning `DCT418`, but not
    `DCT41`.
    """
    codes = _codes(text)
    if not codes:
        return []
    of_sources, of_others = ([_known_forms(source) for source in side] for side in (sources, others))
    enough = max(1, min(support, len(others)))

    def is_known(form: str) -> bool:
        return any(form in forms for forms in of_sources) or sum(form in forms for forms in of_others) >= enough

    return [code for code in codes if not _is_known(code, is_known)]


def _codes(text: str) -> list[str]:
    return [code for code in _CODE.findall(without_thousands_separators(text)) if has_digit(code)]


def _is_known(code: str, is_known: Callable[[str], bool]) -> bool:
    if is_known(_without_hyphens(code)):
        return True
    if code[0].isdigit():
        return all(is_known(plain_number(number)) for number in _NUMBER.findall(code))
    parts = [part for part in code.split("/") if has_digit(part)]
    return "/" in code and all(_is_known(part, is_known) for part in parts)


@lru_cache(CACHED_SOURCES)
def _known_forms(source: str) -> frozenset[str]:
    """Return the words, codes and numbers of a source, and each pair of adjacent words as one unless both have a digit (`iPhone 15`, not `8, 10`)."""
    text = without_thousands_separators(source)
    words = [_without_hyphens(code) for code in _CODE.findall(text)]
    parts = [part for word in words if "/" in word for part in word.split("/")]
    beginnings = [word[: end.start()] for word in words + parts for end in _END_OF_DIGITS.finditer(word)]
    return frozenset(words).union(
        parts,
        (start for start in beginnings if len(start) >= MIN_BEGINNING and not start[0].isdigit()),
        map(plain_number, _NUMBER.findall(text)),
        (left + right for left, right in pairwise(words) if not (has_digit(left) and has_digit(right))),
    )


def plain_number(number: str) -> str:
    """Return a number without zeros after its last decimal."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def without_thousands_separators(text: str) -> str:
    """Return the text in lower case, compatible characters as one (`m²` is `m2`), numbers without separators: `1,000` becomes `1000`."""
    return _THOUSANDS_SEPARATOR.sub("", unicodedata.normalize("NFKC", text).casefold())


def _without_hyphens(code: str) -> str:
    """Return a code without hyphens next to letters and without underscores; `5-10` keeps its hyphen."""
    return code if code.isdecimal() else re.sub(r"(?<=[^\W\d])-|-(?=[^\W\d])|_", "", code)
