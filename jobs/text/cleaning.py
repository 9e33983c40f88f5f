"""Cleaning of product text: removes markup, entities, control characters, emoji, bullets and repeated punctuation.

The profile `reference` keeps only letters, combining marks, digits, spaces and `. , ! ?`. The profile `catalogue` also keeps
signs that are part of a fact: `10-inch`, `1/2"`, `50%`, `don't`, `$5`, `A&B`, `C++`, `#2`. Both keep the letters and
combining marks of every language.

    .venv/bin/python -c 'from jobs.text.cleaning import clean; print(clean("<b>1/2&quot;</b> drill&#8482;!!!", "catalogue"))'
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

import pyarrow.compute as pc

from jobs.storage.columns import text_column
from jobs.text.markup import with_ampersands, without_markup, without_scripts

Profile = Literal["catalogue", "reference"]
_Step = tuple[Callable[[str], bool], Callable[[str], str]]

_KEPT_SYMBOLS = frozenset("°№℃℉♭♮⌀" + "".join(map(chr, range(0x3200, 0x3400))))  # units, and CJK words in a square
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
    **dict.fromkeys("＜﹤", "<"),  # the normaliser of a tokenizer does the same, and would make special tokens of them
    **dict.fromkeys("＞﹥", ">"),
}
_TRADE_MARK_AT_END = re.compile("[®™©℠]+(?=[\\s.,!?;:)]|$)")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffc]")
_DETACHED_JOINER = re.compile("(?<!\\w)(?<![\u0300-\u036f\u0600-\u1cff])[\u200c\u200d]|[\u200c\u200d](?!\\w)")
_DETACHED_MIDDLE_DOT = re.compile(r"(?<!\w)·|·(?!\w)")
_DETACHABLE = "®™©℠\u200c\u200d·"
_BRACKETED = re.compile("[<＜﹤]([^<＜﹤>＞﹥]{1,60})[>＞﹥]")
_SPECIAL_TOKEN = re.compile(r"/?s|pad|unk|extra_id_\d+", re.IGNORECASE)  # of T5, without the brackets

_SIGN_CHARACTERS = "*~^<>=_#@{}|"
_SIGNS = re.compile(f"[{re.escape(_SIGN_CHARACTERS)}]+")
_SIGN_RUN = re.compile(r"(?<![A-Za-z0-9+])\+{3,}|([/&])\1\1+")  # `A+++` is an energy class
_EMPTY_BRACKETS = re.compile(
    r"(?<=\w)\s?\((?:TM|tm|R|r)\)(?!-)|\((?:\s|\(\s*\))*\)|\[\s*\]"
)  # `(R)-lipoic acid` is a substance
_FRACTION_AFTER_DIGIT = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅟↉])")
_ESCAPED_BREAK = re.compile(r"\\[nrt](?![a-z])")
_NOT_REFERENCE = re.compile(r"[^\w\s.,!?]|_")
_DASHES = re.compile(r"--+")
_DASH_RUN = re.compile(r"(?:\s-\s){2,}")
_QUOTES = re.compile(r"(?:\"|''+)++")
_REPEATED_PUNCTUATION = re.compile(r"(?:([.,;:])\1+|[!?]{2,})(\w?)")
_SPACE_BEFORE = re.compile(r"\s+(?:([.,])(?=\s|$)|,(?=\w))")
_LEADING = re.compile(r"(?:[,;:!?\s]|\.(?!\d)|-(?!\d))+")
_TRAILING = "-,;:/& "

# Matches every text that a step could change, in the syntax of RE2. A text without a match is already clean.
_UNCLEAN = r"""[^A-Za-z0-9 .,!?'"()%$/+:;\-\[\]&]|  |\.\.|,,|;;|::|[!?][!?]|--|''|""| [,.]|\+\+\+|///|&[A-Za-z#&]"""
_UNCLEAN += r"""|\( ?\)|\[ ?\]|\((?:R|r|TM|tm)\)|^[^A-Za-z0-9('"$\[]|[^A-Za-z0-9.!?)'"%\]]$|^[^A-Za-z0-9]*$"""
_UNCLEAN += (
    r"|(?:nbsp|quo[t]?|dash|hellip|plusmn|frac..|sup.|acute|grave|circ|uml|tilde|cedil|amp|deg|apos|[lg]t|#\d+);"
)


def clean(text: str, profile: Profile) -> str:
    """Return the cleaned text on one line with single spaces, or an empty string if it has no letter or digit."""
    for applies, step in _STEPS[profile]:
        if applies(text):
            text = step(text)
    return text if any(map(str.isalnum, text)) else ""


def clean_without_shortcuts(text: str, profile: Profile) -> str:
    """Return the same as `clean`, but take every step, also those that do not apply: the definition, several times slower."""
    for _, step in _STEPS[profile]:
        text = step(text)
    return text if any(map(str.isalnum, text)) else ""


def clean_all(texts: Sequence[str], profile: Profile) -> list[str]:
    """Return `clean` of each text. One search over all texts finds those that are already clean, which are most of them."""
    if profile == "reference":
        return [clean(text, profile) for text in texts]
    # A lone surrogate cannot be encoded: backslashreplace turns it into characters that match.
    unclean = pc.match_substring_regex(text_column(texts, errors="backslashreplace"), _UNCLEAN).to_pylist()
    return [clean(text, profile) if matches else text for text, matches in zip(texts, unclean, strict=True)]


def _without_invisible(text: str) -> str:
    return _INVISIBLE.sub("", text)


def _without_detached(text: str) -> str:
    """Remove trade marks at the end of a word, and joiners and middle dots that are not inside a word."""
    return _DETACHED_MIDDLE_DOT.sub(" ", _DETACHED_JOINER.sub("", _TRADE_MARK_AT_END.sub("", text)))


def _without_special_tokens(text: str) -> str:
    """Remove T5's special tokens in any spelling that a tokenizer would normalise. Most in ASCII are removed as markup before."""
    return _BRACKETED.sub(lambda match: " " if _is_special(match[1]) else match[0], text)


def _is_special(name: str) -> bool:
    normal = unicodedata.normalize("NFKC", name)
    visible = "".join(character for character in normal if unicodedata.category(character) not in ("Cf", "Mn"))
    return _SPECIAL_TOKEN.fullmatch(visible.strip()) is not None


def _normalised(text: str) -> str:
    """Replace typographic quotes, dashes and fractions by their ASCII forms, and emoji, arrows and control characters by a space."""
    return _DASH_RUN.sub(" - ", _FRACTION_AFTER_DIGIT.sub(" ", text).translate(_CHARACTERS))


class _Characters(dict[int, str]):
    """The replacement of each character, computed when the character first occurs."""

    def __missing__(self, code: int) -> str:
        self[code] = result = _replacement(chr(code))
        return result


def _replacement(character: str) -> str:
    if character in _REPLACED:
        return _REPLACED[character]
    if unicodedata.decomposition(character).startswith("<fraction>"):
        # The normaliser of T5's tokenizer writes `2½` as `21⁄2`, and has no token for its sign
        return unicodedata.normalize("NFKC", character).replace("⁄", "/")
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
    """Keep only the characters of the profile `reference`. An apostrophe leaves no space, because `dont` is one word."""
    text = text.replace("'", "")
    if text.isascii():
        return _NOT_REFERENCE.sub(" ", text)
    return "".join(character if _is_reference(character) else " " for character in text)


def _is_reference(character: str) -> bool:
    return character in " .,!?\u200c\u200d" or unicodedata.category(character)[0] in "LMN"


def _without_escapes(text: str) -> str:
    text = _ESCAPED_BREAK.sub(" ", text)
    return text.replace('\\"', '"').replace("\\'", "'").replace("\\", " ")


def _without_stray_signs(text: str) -> str:
    """Remove signs without a meaning, such as `***` or `| |`, and keep those of `4*6`, `< 5`, `USB_C`, `#2`, `C#`."""
    return _SIGNS.sub(_sign_or_space, text)


def _sign_or_space(match: re.Match[str]) -> str:
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


def _with_single_punctuation(text: str) -> str:
    """Remove spaces before `.` and `,`, and then repeated punctuation."""
    return _REPEATED_PUNCTUATION.sub(_one_mark, _SPACE_BEFORE.sub(lambda match: match[1] or ", ", text))


def _one_mark(match: re.Match[str]) -> str:
    """Return one mark for several, and a space if a word follows directly, so that `1...5` does not become `1.5`."""
    mark = match[1] or ("?" if "?" in match[0] else "!")
    return f"{mark} {match[2]}" if match[2] else mark


def _without_punctuation_at_the_ends(text: str) -> str:
    leading = _LEADING.match(text)
    return (text[leading.end() :] if leading else text).rstrip(_TRAILING)


def _is_not_ascii(text: str) -> bool:
    return not text.isascii()


def _has_detachable(text: str) -> bool:
    return not text.isascii() and _has_one_of(text, _DETACHABLE)


def _has_one_of(text: str, characters: str) -> bool:
    """Return whether the text has one of the characters. A search per character is faster than one search for all."""
    return any(character in text for character in characters)


def _has_surplus_space(text: str) -> bool:
    return "  " in text or text[:1].isspace() or text[-1:].isspace()


def _has_repeated_punctuation(text: str) -> bool:
    if ".." in text or ",," in text or ";;" in text or "::" in text:
        return True
    return "!!" in text or "??" in text or "!?" in text or "?!" in text


def _has_punctuation_at_an_end(text: str) -> bool:
    return not (text[:1].isalnum() and text[-1:].isalnum())


_FIRST: tuple[_Step, ...] = (
    (_is_not_ascii, _without_invisible),
    (lambda text: ";" in text, with_ampersands),
    (lambda text: "<" in text or "&" in text or "{" in text, without_markup),
    (lambda text: "=" in text or "{" in text, without_scripts),
    (_is_not_ascii, _without_invisible),
    (_has_detachable, _without_detached),
    (lambda text: _has_one_of(text, "<＜﹤"), _without_special_tokens),
    (
        lambda text: "`" in text or " -  - " in text or not (text.isascii() and text.isprintable()),
        _normalised,
    ),
)
_LAST: tuple[_Step, ...] = (
    (_has_surplus_space, lambda text: " ".join(text.split())),
    (_has_punctuation_at_an_end, _without_punctuation_at_the_ends),
    (
        lambda text: " ." in text or " ," in text or _has_repeated_punctuation(text),
        lambda text: _with_single_punctuation(_with_single_punctuation(text)),  # `end ...` becomes `end .` in between
    ),
)
_STEPS: dict[Profile, tuple[_Step, ...]] = {
    "reference": (*_FIRST, (bool, _reference), *_LAST),
    "catalogue": (
        *_FIRST,
        (lambda text: "\\" in text, _without_escapes),
        (lambda text: _has_one_of(text, _SIGN_CHARACTERS), _without_stray_signs),
        (lambda text: "(" in text or "[" in text, lambda text: _EMPTY_BRACKETS.sub(" ", text)),
        (lambda text: "+++" in text or "///" in text or "&&&" in text, lambda text: _SIGN_RUN.sub(" ", text)),
        (lambda text: "''" in text or '""' in text, lambda text: _QUOTES.sub('"', text)),
        (lambda text: "--" in text, lambda text: _DASHES.sub(" - ", text)),
        *_LAST,
    ),
}
"""The steps of each profile in order, each with a cheap test of whether it applies."""
