"""Product text without what carries nothing: markup, entities, control characters, emoji, bullets, runs of punctuation.

Two profiles. `reference` leaves letters, marks, digits, spaces and `. , ! ?` alone. `catalogue` also keeps what carries a
fact: `10-inch`, `1/2"`, `50%`, `don't`, `$5`, `A&B`, `C++`, `#2`. Letters and marks of every language pass as they are.

    .venv/bin/python -c 'from jobs.text.cleaning import clean; print(clean("<b>1/2&quot;</b> drill&#8482;!!!", "catalogue"))'
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

from jobs.storage.columns import text_column
from jobs.text.markup import without_markup

Profile = Literal["catalogue", "reference"]
_Step = tuple[Callable[[str], bool], Callable[[str], str]]

_KEPT_SYMBOLS = frozenset("°№℃℉♭♮⌀" + "".join(map(chr, range(0x3200, 0x3400))))  # units and the squared words of CJK
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
_LONERS = "®™©℠\u200c\u200d·"

_SIGNS_ALONE = "*~^<>=_#@{}|"
_SIGNS = re.compile(f"[{re.escape(_SIGNS_ALONE)}]+")
_SIGN_RUN = re.compile(r"(?<![A-Za-z0-9+])\+{3,}|([/&])\1\1+")  # `A+++` is a class of energy
_EMPTY_BRACKETS = re.compile(r"(?<=\w)\s?\((?:TM|tm|R|r)\)(?!-)|\(\s*\)|\[\s*\]")  # `(R)-lipoic acid` is a substance
_ESCAPED_BREAK = re.compile(r"\\[nrt](?![a-z])")
_NOT_REFERENCE = re.compile(r"[^\w\s.,!?]|_")
_DASHES = re.compile(r"--+")
_DASH_RUN = re.compile(r"(?:\s-\s){2,}")
_QUOTES = re.compile(r"''+|\"\"+")
_RUN = re.compile(r"(?:([.,;:])\1+|[!?]{2,})(\w?)")
_SPACE_BEFORE = re.compile(r"\s+(?:([.,])(?=\s|$)|,(?=\w))")
_LEADING = re.compile(r"(?:[,;:!?\s]|\.(?!\d)|-(?!\d))+")
_TRAILING = "-,;:/& "

# In RE2's dialect: whatever a step could change. A text without any of it is clean as it stands.
_DIRT = r"""[^A-Za-z0-9 .,!?'"()%$/+:;\-\[\]&]|  |\.\.|,,|;;|::|[!?][!?]|--|''|""| [,.]|\+\+\+|///|&[A-Za-z#&]"""
_DIRT += r"""|\( ?\)|\[ ?\]|\((?:R|r|TM|tm)\)|^[^A-Za-z0-9('"$\[]|[^A-Za-z0-9.!?)'"%\]]$|^[^A-Za-z0-9]*$"""


def clean(text: str, profile: Profile) -> str:
    """The text cleaned: one line, single spaces, nothing at all where no letter or digit is left."""
    for has_work, step in _STEPS[profile]:
        if has_work(text):
            text = step(text)
    return text if any(map(str.isalnum, text)) else ""


def clean_thoroughly(text: str, profile: Profile) -> str:
    """What `clean` returns, by every step, also those that have nothing to do: the definition, several times slower."""
    for _, step in _STEPS[profile]:
        text = step(text)
    return text if any(map(str.isalnum, text)) else ""


def clean_all(texts: Sequence[str], profile: Profile) -> list[str]:
    """`clean` of each text. Most are clean as they stand, which one pass over all of them finds out."""
    import pyarrow.compute as pc

    if profile == "reference":
        return [clean(text, profile) for text in texts]
    # Half a surrogate pair has no UTF-8; as a backslash and its number it is dirt, which it is.
    dirty = pc.match_substring_regex(text_column(texts, errors="backslashreplace"), _DIRT).to_pylist()
    return [clean(text, profile) if work else text for text, work in zip(texts, dirty, strict=True)]


def _without_invisible(text: str) -> str:
    return _INVISIBLE.sub("", text)


def _without_loners(text: str) -> str:
    """Without trade marks before a mark or a space, and without joiners and middle dots that join nothing."""
    return _LONE_MIDDLE_DOT.sub(" ", _LONE_JOINER.sub("", _MARK_AT_END.sub("", text)))


def _normalised(text: str) -> str:
    """Typographic quotes, dashes and the like as their plain forms; what is no letter, mark, number or sign as a space."""
    return _DASH_RUN.sub(" - ", text.translate(_CHARACTERS))


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
    """Letters, marks, digits, spaces and . , ! ? alone. An apostrophe closes up, for `dont` is one word."""
    text = text.replace("'", "")
    if text.isascii():
        return _NOT_REFERENCE.sub(" ", text)
    return "".join(character if _is_reference(character) else " " for character in text)


def _is_reference(character: str) -> bool:
    return character in " .,!?\u200c\u200d" or unicodedata.category(character)[0] in "LMN"


def _without_escapes(text: str) -> str:
    text = _ESCAPED_BREAK.sub(" ", text)
    return text.replace('\\"', '"').replace("\\'", "'").replace("\\", " ")


def _without_empty_signs(text: str) -> str:
    """Without signs where they say nothing: `***`, `| |`, a lone `#`; with `4*6`, `< 5`, `USB_C`, `#2`, `C#`."""
    return _SIGNS.sub(_sign_with_meaning, text)


def _sign_with_meaning(match: re.Match[str]) -> str:
    run, text, start, end = match[0], match.string, match.start(), match.end()
    left, right = text[start - 1 : start] if start else "", text[end : end + 1]
    before, after = text[max(0, start - 2) : start].strip()[-1:], text[end : end + 2].strip()[:1]
    kept = (
        (run in ("*", "^") and before.isdigit() and after.isdigit())
        or (run == "^" and left.isalpha() and right.isdigit())
        or (run in ("~", "<", ">", "<=", ">=", "=<") and (after.isdigit() or after in tuple("$.")))
        or (run == "=" and before.isalnum() and after.isalnum())
        or (run == "_" and left.isalnum() and right.isalnum())
        or (run == "#" and (left.isalpha() or right.isalnum()))
        or (run == "@" and after.isalnum())
    )
    return run if kept else " "


def _one_of_a_run(match: re.Match[str]) -> str:
    """One mark for several; a space after it where a word follows at once, so that `1...5` is not `1.5`."""
    mark = match[1] or ("?" if "?" in match[0] else "!")
    return f"{mark} {match[2]}" if match[2] else mark


def _without_loose_ends(text: str) -> str:
    begun = _LEADING.match(text)
    return (text[begun.end() :] if begun else text).rstrip(_TRAILING)


def _is_not_ascii(text: str) -> bool:
    return not text.isascii()


def _has_loners(text: str) -> bool:
    return not text.isascii() and _has_one_of(text, _LONERS)


def _has_one_of(text: str, characters: str) -> bool:
    """Looks for one after the other: some passes of a search for one character are faster than one for many."""
    return any(character in text for character in characters)


def _has_space_to_close(text: str) -> bool:
    return "  " in text or text[:1].isspace() or text[-1:].isspace()


def _has_a_run(text: str) -> bool:
    if ".." in text or ",," in text or ";;" in text or "::" in text:
        return True
    return "!!" in text or "??" in text or "!?" in text or "?!" in text


def _has_loose_ends(text: str) -> bool:
    return not (text[:1].isalnum() and text[-1:].isalnum())


_FIRST: tuple[_Step, ...] = (
    (_is_not_ascii, _without_invisible),
    (lambda text: "<" in text or "&" in text or "{" in text, without_markup),
    (_is_not_ascii, _without_invisible),
    (_has_loners, _without_loners),
    (lambda text: "`" in text or not (text.isascii() and text.isprintable()), _normalised),
)
_LAST: tuple[_Step, ...] = (
    (_has_space_to_close, lambda text: " ".join(text.split())),
    (lambda text: " ." in text or " ," in text, lambda text: _SPACE_BEFORE.sub(lambda match: match[1] or ", ", text)),
    (_has_a_run, lambda text: _RUN.sub(_one_of_a_run, text)),
    (_has_loose_ends, _without_loose_ends),
)
_STEPS: dict[Profile, tuple[_Step, ...]] = {
    "reference": (*_FIRST, (bool, _reference), *_LAST),
    "catalogue": (
        *_FIRST,
        (lambda text: "\\" in text, _without_escapes),
        (lambda text: _has_one_of(text, _SIGNS_ALONE), _without_empty_signs),
        (lambda text: "(" in text or "[" in text, lambda text: _EMPTY_BRACKETS.sub(" ", text)),
        (lambda text: "+++" in text or "///" in text or "&&&" in text, lambda text: _SIGN_RUN.sub(" ", text)),
        (lambda text: "''" in text or '""' in text, lambda text: _QUOTES.sub('"', text)),
        (lambda text: "--" in text, lambda text: _DASHES.sub(" - ", text)),
        *_LAST,
    ),
}
"""For each profile what is done in turn, each with a quick look whether it has anything to do."""
