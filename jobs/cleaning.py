"""Product text without what carries nothing: markup, entities, control characters, emoji, bullets, runs of punctuation.

Two profiles. `reference` leaves letters, marks, digits, spaces and `. , ! ?` alone. `catalogue` also keeps what carries a
fact: `10-inch`, `1/2"`, `50%`, `don't`, `$5`, `A&B`, `C++`, `#2`. Letters and marks of every language pass as they are.

    .venv/bin/python -c 'from jobs.cleaning import clean; print(clean("<b>1/2&quot;</b> drill&#8482;!!!", "catalogue"))'
"""

import re
import unicodedata
from typing import Literal

from jobs.markup import without_markup

Profile = Literal["catalogue", "reference"]

_KEPT_SYMBOLS = frozenset("°№℃℉" + "".join(map(chr, range(0x3200, 0x3400))))  # units and the squared words of CJK
_REPLACED = {
    **dict.fromkeys("‘’‚‛′´`ʹ＇", "'"),
    **dict.fromkeys("“”„‟″〝〞＂", '"'),
    **dict.fromkeys("‐‑‒–−﹣－", "-"),
    **dict.fromkeys("—―", " - "),
    **dict.fromkeys("•‣⁃∙†‡¶§※⁂", " "),
    "⁄": "/",
    "…": "...",
    "‹": "'",
    "›": "'",
}
_MARK_AT_END = re.compile("[®™©℠]+(?=[\\s.,!?;:)]|$)")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffc]")
_LONE_JOINER = re.compile("(?<!\\w)(?<![\u0300-\u036f\u0600-\u1cff])[\u200c\u200d]|[\u200c\u200d](?!\\w)")
_LONE_MIDDLE_DOT = re.compile(r"(?<!\w)·|·(?!\w)")

# What follows in the catalogue profile has a meaning only in a place of its own: elsewhere it goes.
_WITHOUT_MEANING = re.compile(
    r"""\*{2,} | (?<!\d)(?<!\d\ )\* | \*(?!\ ?\d)  # 4*6
      | ~(?!\ ?\d) | \^(?!\d) | (?<!\w)\^          # ~5 kg, 10^3
      | [<>](?!\ ?=?\ ?[\d.$])                     # < 5 %
      | =(?!\ ?\w) | (?<!\w)(?<!\w\ )(?<![<>])=    # size = 5
      | _(?!\w) | (?<!\w)_ | __+                   # USB_C
      | \#(?!\w)(?<![A-Za-z]\#) | \#\#+            # #2, C#
      | @(?!\ ?\w)
      | \((?:TM|tm|R|r)\) | \(\s*\) | \[\s*\] | [{}|] | \+{3,} | /{3,} | \${2,} | %{2,} | &{2,}
    """,
    re.VERBOSE,
)
_ESCAPED_BREAK = re.compile(r"\\[nrt](?![a-z])")
_NOT_REFERENCE = re.compile(r"[^\w\s.,!?]|_")
_DASHES = re.compile(r"--+")
_QUOTES = re.compile(r"''+|\"\"+")
_RUN = re.compile(r"([.,!?;:])(?:\s*\1)+(?=(\w)?)")
_MIXED_RUN = re.compile(r"[.,!?;:]{3,}")
_SPACE_BEFORE = re.compile(r"\s+([.,])(?=\s|$)")
_SPACE_BEFORE_COMMA = re.compile(r"\s+,(?=\w)")
_SPACES = re.compile(r"\s+")
_LEADING = re.compile(r"^(?:[,;:!?\s]|\.(?!\d)|-(?!\d))+")
_TRAILING = re.compile(r"[-,;:/&\s]+$")

_PLAIN = re.compile(r"[A-Za-z0-9 .,!?'\"()%$/+:;\-\[\]&]*")
_DOUBLES = ("  ", "..", ",,", "!!", "??", "--", "''", '""', ";;", "::", " ,", " .", "()", "[]", "(R", "(T", "(r", "(t")


def clean(text: str, profile: Profile) -> str:
    """The text cleaned: one line, single spaces, nothing at all where no letter or digit is left.

    Most product text is plain already, and is found to be so several times faster than it would be cleaned.
    """
    return text if profile == "catalogue" and _is_plain(text) else clean_thoroughly(text, profile)


def clean_thoroughly(text: str, profile: Profile) -> str:
    """What `clean` returns, by every step, also for text that needs none."""
    text = without_markup(_INVISIBLE.sub("", text))
    text = _normalised(_INVISIBLE.sub("", text))
    if profile == "reference":
        text = _NOT_REFERENCE.sub(" ", text.replace("'", "")) if text.isascii() else _reference(text)
    else:
        text = _without_symbols(text)
    text = _RUN.sub(_one_of_a_run, _MIXED_RUN.sub(_strongest, text))
    text = _SPACES.sub(" ", _SPACE_BEFORE_COMMA.sub(", ", _SPACE_BEFORE.sub(r"\1", text)))
    text = _TRAILING.sub("", _LEADING.sub("", text))
    return text if any(map(str.isalnum, text)) else ""


def _is_plain(text: str) -> bool:
    """Whether `clean_thoroughly` would return this text as it is (never true where it would not)."""
    if not text or not _PLAIN.fullmatch(text) or any(pair in text for pair in _DOUBLES):
        return False
    first, last = text[0], text[-1]
    if not (first.isalnum() or first in "('\"$[") or not (last.isalnum() or last in ".!?)'\"%]"):
        return False
    return not ("&" in text and _ENTITY_START.search(text)) and any(map(str.isalnum, text))


_ENTITY_START = re.compile(r"&[A-Za-z&]|[.,!?;:]{3}|[+/$%]{2}")


def _normalised(text: str) -> str:
    """Typographic quotes, dashes and the like as their plain forms; what is no letter, mark, number or sign as a space."""
    if not text.isascii():
        text = _LONE_MIDDLE_DOT.sub(" ", _LONE_JOINER.sub("", _MARK_AT_END.sub("", text)))
    return text.translate(_CHARACTERS)


class _Characters(dict[int, str]):
    """What becomes of each character, found once for each that turns up."""

    def __missing__(self, code: int) -> str:
        self[code] = result = _becomes(chr(code))
        return result


def _becomes(character: str) -> str:
    if character in _REPLACED:
        return _REPLACED[character]
    category = unicodedata.category(character)
    if category[0] in "LMNP" or category in ("Sc",) or character in _KEPT_SYMBOLS or character in "\u200c\u200d":
        return "" if character == "\u20e3" else character
    if category == "Sm":
        return " " if "\u2190" <= character <= "\u21ff" else character
    if category == "Sk" and character.isascii():
        return character
    return " "


_CHARACTERS = _Characters()


def _reference(text: str) -> str:
    kept = (
        character
        if character in " .,!?\u200c\u200d" or unicodedata.category(character)[0] in "LMN"
        else ("" if character == "'" else " ")
        for character in text
    )
    return "".join(kept)


def _without_symbols(text: str) -> str:
    if "\\" in text:
        text = _ESCAPED_BREAK.sub(" ", text).replace('\\"', '"').replace("\\'", "'").replace("\\", " ")
    text = _WITHOUT_MEANING.sub(" ", text)
    return _DASHES.sub(" - ", _QUOTES.sub('"', text))


def _one_of_a_run(match: re.Match[str]) -> str:
    """One mark for several; a space after it where a word follows at once, so that `1...5` is not `1.5`."""
    return match[1] + (" " if match[2] else "")


def _strongest(match: re.Match[str]) -> str:
    return next(mark for mark in "?!.;:," if mark in match[0]) + " "
