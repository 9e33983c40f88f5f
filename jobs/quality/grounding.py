"""Grounding: which numbers, measures and codes of a text its sources have."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from jobs.quality.metrics import words
from jobs.quality.numbers import (
    CURRENCY,
    NUMBER_WORDS,
    TENS,
    UNITS,
    Measure,
    measures,
    normalized,
    numbers_beside_commas,
    plain_number,
    with_counts_in_digits,
)
from jobs.quality.terms import CACHED_SOURCES, has_digit, mentioned

_CODE = re.compile(r"\w+(?:[-./]\w+)*")
_ADDRESS = re.compile(r"https?://\S+|\bwww\.\S+|[\w.-]+@[\w-]+\.\w+")
_PUNCTUATION = ".,;:!?)]}'\""
_PART = re.compile(r"[-/]")
_HYPHEN = re.compile(r"(?<=[^\W\d])-|-(?=[^\W\d])|_")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LETTER = re.compile(r"[^\W\d_]")
_END_OF_DIGITS = re.compile(r"(?<=\d)(?=[^\W\d])")
_LAST_NUMBER = re.compile(r"[^\W\d_]+(\d{1,2}(?:\.\d+)?)")
"""Of a word such as `usb2.0` or `iphone15`. A longer number of a code, as in `m1255`, counts nothing."""

_SUFFIXED = re.compile(r"\d+(?:\.\d+)?([^\W\d_]{1,4})")
_PLAIN_SUFFIXES = frozenset({"st", "nd", "rd", "th", "s", "x"})
MIN_BEGINNING = 4
"""Shorter beginnings of a code name another product: `S10` is not `S10e`."""

MIN_CODE_DIGITS = 4
"""A shorter number may count anything: `5 years`, where the title has 5 pieces."""

_VAGUE_WORDS = frozenset({"one", "two", "three"})
"""Number words that sellers use for much that they do not count: `one of a kind`."""

IsKnown = Callable[..., bool]
"""`is_known(form, ...)`: whether enough sources have one of these forms."""


def grounded_share(text: str, missing: Sequence[str]) -> float:
    """Return the fraction of the numbers and codes in `text` that are not among `missing`, as `ungrounded()` returns them."""
    codes = sum(1 for _ in _codes(_read(text)[0]))
    return 1 - len(missing) / codes if codes else 1.0


def ungrounded(text: str, sources: Sequence[str], others: Sequence[str] = (), support: int = 1) -> list[str]:
    """Return the numbers and codes in `text` that neither a source nor `support` of the others have, in order, as often as they occur.

    If there are fewer others, all of them must have it. A code is a word with a digit. Case and hyphens are ignored: `A7-B` equals
    `a7b`. A number is known if a source has it outside a code; with a unit of measurement or a currency, it must have the same there
    (`64 GB`), or none. A code that begins with a digit is known if each of its numbers is (`5-10`), with letters that are no unit only
    as a whole (`70XL`), and `HP15/HP17` if both parts are. A source with the code `DCT418S1` also has its beginning `DCT418`, but not
    `DCT41`.
    """
    text, of_text = _read(text)
    codes = list(_codes(text))
    if not codes:
        return []
    of_sources, of_others = ([_known_forms(source) for source in side] for side in (sources, others))
    enough = max(1, min(support, len(others)))

    def is_known(*forms: str) -> bool:
        return any(not known.isdisjoint(forms) for known in of_sources) or (
            sum(not known.isdisjoint(forms) for known in of_others) >= enough
        )

    return [
        _stated(text, code, of_text)
        for before, code in codes
        if not _is_known(
            code[0], before, [item for item in of_text if code.start() <= item.start < code.end()], is_known
        )
    ]


def has_code_or_measure(text: str, title: str) -> bool:
    """Return whether a text has a code of its title, or one of its numbers with the same unit."""
    text, of_text = _read(text)
    found = (code[0] for _, code in _codes(text))
    codes = {_without_hyphens(code) for code in found if _LETTER.search(code) or len(code) >= MIN_CODE_DIGITS}
    return not _known_forms(title).isdisjoint(codes.union(_with_unit(item) for item in of_text if item.unit))


def has_whole_numbers(text: str, phrase: str) -> bool:
    """Return whether the numbers of a phrase are numbers of a text, and not parts of one: `2` is none of `2,500`, nor `1` of `1 1/2`."""
    return {word for word in phrase.split() if word.isdecimal()} <= {item.number for item in _read(text)[1]}


def unknown_groups(text: str, sources: Sequence[str]) -> list[str]:
    """Return the numbers that `x` joins in a text, `20 x 30`, and that no source has together, if any source has such numbers."""
    return [_as_text(group) for group in _groups(*_read(text)) if not _is_known_group(group, sources)]


def unknown_number_words(text: str, sources: Sequence[str]) -> list[str]:
    """Return the words `four` to `twelve` and `dozen` in a text that no source has, neither as a word nor as a number.

    A word after one of tens (`twenty-four`) is part of another number, and left out; `pack of four` is left to `ungrounded()`.
    """
    in_text = words(_read(text)[0])
    found = dict.fromkeys(
        word
        for before, word in pairwise(["", *in_text])
        if word in NUMBER_WORDS and word not in _VAGUE_WORDS and before not in TENS
    )
    return [
        word
        for word in found
        if not any(NUMBER_WORDS[word] in _known_forms(source) or word in mentioned(source) for source in sources)
    ]


def unknown_addresses(title: str, text: str) -> list[str]:
    """Return the addresses of the web and of mail in a text that its title does not have."""
    found = (address.rstrip(_PUNCTUATION) for address in _ADDRESS.findall(text.casefold()))
    return [address for address in found if address not in title.casefold()]


@lru_cache(CACHED_SOURCES)
def _read(text: str) -> tuple[str, tuple[Measure, ...]]:
    """Return a text or a source, normalized, with its counts in digits, and its measures: each of the functions above needs both."""
    text = with_counts_in_digits(normalized(text))
    return text, tuple(measures(text))


def _codes(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield each word with a digit of a normalized text, and the word before it."""
    before = ""
    for word in _CODE.finditer(text):
        if has_digit(word[0]):
            yield before, word
        before = word[0]


def _is_known(code: str, before: str, of_code: Sequence[Measure], is_known: IsKnown) -> bool:
    """Return whether a code is known, alone or joined to the word before it: `PGI 9` as `PGI9`. `of_code`: its measures."""
    form = _without_hyphens(code)
    is_measure = code[0].isdigit() and not _LETTER.search(code) and any(item.unit for item in of_code)
    if not is_measure and is_known(form, _without_hyphens(before) + form):
        return True
    if code[0].isdigit():
        suffix = _SUFFIXED.fullmatch(code)
        if suffix and suffix[1] not in UNITS and suffix[1] not in _PLAIN_SUFFIXES:
            return is_known(form)
        return all(is_known(*_forms(item)) for item in of_code) and all(
            is_known(plain_number(number)) for number in _NUMBER.findall(code)
        )
    parts = [part for part in code.split("/") if has_digit(part)]
    return "/" in code and all(_is_known(part, "", measures(part), is_known) for part in parts)


def _forms(item: Measure) -> list[str]:
    """Return the forms of which a source must have one: the number with its unit, or without any. An amount of money needs its currency."""
    if item.unit is None:
        return [item.number]
    return [_with_unit(item)] if item.unit == CURRENCY else [_with_unit(item), f"{item.number} "]


def _with_unit(item: Measure) -> str:
    return f"{item.number} {item.unit or ''}"


@lru_cache(CACHED_SOURCES)
def _known_forms(source: str) -> frozenset[str]:
    """Return the codes, numbers and measures of a source.

    A code joined to the word beside it is one too (`iPhone 15`), two numbers are not (`8, 10`).
    """
    text, of_source = _read(source)
    found = _CODE.findall(text)
    flags = [has_digit(word) for word in found]
    codes = [word for word, flag in zip(found, flags, strict=True) if flag]
    forms = [_without_hyphens(code) for code in codes]
    parts = [part for code in codes for part in _PART.split(code)]
    beginnings = [form[: end.start()] for form in (*forms, *parts) for end in _END_OF_DIGITS.finditer(form)]
    return frozenset(forms).union(
        (part for form in forms if "/" in form for part in form.split("/")),
        (start for start in beginnings if len(start) >= MIN_BEGINNING and not start[0].isdigit()),
        (plain_number(number) for part in parts if part[:1].isdigit() for number in _NUMBER.findall(part)),
        (plain_number(last[1]) for form in forms if (last := _LAST_NUMBER.fullmatch(form))),
        (item.number for item in of_source),
        map(plain_number, numbers_beside_commas(source)),
        map(_with_unit, of_source),
        (
            _without_hyphens(found[place]) + _without_hyphens(found[place + 1])
            for place in range(len(found) - 1)
            if flags[place] != flags[place + 1]
        ),
    )


def _groups(text: str, of_text: Sequence[Measure]) -> list[list[Measure]]:
    """Return the measures that `x` joins: `20 x 30 cm`."""
    groups: list[list[Measure]] = []
    for left, right in pairwise(of_text):
        if text[left.end : right.start].strip() == "x":
            if groups and groups[-1][-1] == left:
                groups[-1].append(right)
            else:
                groups.append([left, right])
    return groups


def _is_known_group(group: Sequence[Measure], sources: Sequence[str]) -> bool:
    """Return whether a source has the numbers of a group together, or no source has any group."""
    known = [numbers for source in sources for numbers in _known_groups(source)]
    wanted = Counter(item.number for item in group)
    return not known or any(wanted <= Counter(numbers) for numbers in known)


@lru_cache(CACHED_SOURCES)
def _known_groups(source: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(item.number for item in group) for group in _groups(*_read(source)))


def _stated(text: str, code: re.Match[str], of_text: Sequence[Measure]) -> str:
    """Return a code as evidence, with the unit that it has."""
    ends = [item.end for item in of_text if code.start() <= item.start < code.end() and item.unit]
    return text[code.start() : max([code.end(), *ends])]


def _as_text(group: Sequence[Measure]) -> str:
    return " x ".join(item.number for item in group)


def _without_hyphens(code: str) -> str:
    """Return a code without hyphens next to letters and without underscores; `5-10` keeps its hyphen."""
    return _HYPHEN.sub("", code) if "-" in code or "_" in code else code
