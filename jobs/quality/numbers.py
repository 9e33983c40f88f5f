"""Numbers and measures of a text, in one spelling.

`1,000`, `.5`, `2½` and `52,5` are read as `1000`, `0.5`, `2.5` and `52.5`, and `10"`, `10-in` and `10 inches` as 10 of the unit `inch`.
"""

import re
import unicodedata
from dataclasses import dataclass

_VULGAR_FRACTION = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_FRACTION_SLASH = "\u2044"
_THOUSANDS_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?![\d,])")
_LEADING_POINT = re.compile(r"(?<![\w.])\.(?=\d)")
_TIMES = re.compile(r"(?<=\d) ?[x×*] ?(?=\d)")
_FRACTION = re.compile(r"(?<![\w./])(?:(\d{1,3})[ -])?(\d{1,2})/(\d{1,2})(?![\d/]|\.\d)")
_DENOMINATORS = frozenset({2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64})

UNITS = {
    spelling: names.split()[0]
    for names in (
        'inch inches in "', "mm millimetre millimetres millimeter millimeters", "cm centimetre centimetres centimeter centimeters",
        "m metre metres meter meters", "km", "ft foot feet", "yd yds yard yards", "mg", "g gm gms gram grams gr",
        "kg kgs kilogram kilograms", "oz ounce ounces", "lb lbs pound pounds", "ml millilitre millilitres milliliter milliliters",
        "cl", "l ltr litre litres liter liters", "gal gallon gallons", "w watt watts", "kw", "v volt volts", "amp amps ampere amperes",
        "ma", "mah", "ah", "wh", "hz", "khz", "mhz", "ghz", "db", "kb", "mb", "gb gigabyte gigabytes", "tb terabyte terabytes",
        "mbps", "gbps", "mp megapixel megapixels", "px pixel pixels", "dpi", "rpm", "psi", "lm lumen lumens", "% percent",
        "sec second seconds", "min mins minute minutes", "h hr hrs hour hours", "day days", "week weeks", "month months",
        "yr yrs year years",
    )
    for spelling in names.split()
}  # fmt: skip
"""Units of measurement: the spellings of each, and the one that stands for all."""

CURRENCY = "currency"
"""The unit of an amount of money."""

_ONLY_JOINED = frozenset({"in"})
"""Spellings that are also words: `5in` and `5-in`, but not `5 in 1`."""

_MEASURE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(?:([ -]?)([^\W\d_]+(?!\w)|[\"%]))?")
_CURRENCY = re.compile(r"([$€£₹¥]|\b(?:rs\.?|usd|eur|gbp|inr)) ?\Z")
_JOINS = re.compile(r" ?(?:x|/|-|to|and|or|&|,) ?\Z")


@dataclass(frozen=True)
class Measure:
    """A number with its unit, as `UNITS` or a currency names it; None if it has none. `start` and `end`: in the normalized text."""

    number: str
    unit: str | None
    start: int
    end: int


def normalized(text: str) -> str:
    """Return the text in lower case, with compatible characters as one (`m²` is `m2`), and each number in one spelling."""
    text = unicodedata.normalize("NFKC", _VULGAR_FRACTION.sub(" ", text)).replace(_FRACTION_SLASH, "/")
    text = text.casefold().translate(_HYPHENS)
    text = _DECIMAL_COMMA.sub(r"\1.\2", _THOUSANDS_SEPARATOR.sub("", text))
    return _FRACTION.sub(_decimal, _TIMES.sub(" x ", _LEADING_POINT.sub("0.", text)))


def plain_number(number: str) -> str:
    """Return a number without zeros after its last decimal."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def measures(text: str) -> list[Measure]:
    """Return the numbers of a normalized text with their units. A number before `x`, `-`, `to` or a comma shares the unit of the next."""
    found: list[Measure] = []
    for match in reversed(list(_MEASURE.finditer(text))):
        number, space, word = match.groups()
        is_word = word in _ONLY_JOINED and (space == " " or text.startswith("-", match.end()))
        unit = None if word is None or is_word else UNITS.get(word)
        currency = _CURRENCY.search(text, max(0, match.start() - 5), match.start())
        end = match.end() if unit else match.end(1)
        if currency:
            unit, end = CURRENCY, match.end(1)
        elif unit is None and found and _JOINS.fullmatch(text, match.end(1), found[-1].start):
            unit = found[-1].unit if found[-1].unit != CURRENCY else None
        found.append(Measure(plain_number(number), unit, match.start(), end))
    return found[::-1]


def _decimal(match: re.Match[str]) -> str:
    """Return a fraction as a decimal number: `1-1/2` is `1.5`. `24/7` and `110/240` are no fractions."""
    whole, numerator, denominator = (int(part or 0) for part in match.groups())
    if denominator not in _DENOMINATORS or not 0 < numerator < denominator:
        return match[0]
    return plain_number(f"{whole + numerator / denominator:.4f}")
