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
_TIMES = re.compile(r"(?<=[\d\"]) ?[x×*] ?(?=\d)")
_FRACTION = re.compile(r"(?<![\w./])(?:(?<!set of )(?<!pack of )(\d{1,3})[ -])?(\d{1,2})/(\d{1,2})(?![\d/]|\.\d)")
"""The number before a fraction belongs to it (`2 1/2`), unless it counts something (`set of 2 1/4-inch bits`)."""

_DENOMINATORS = frozenset({2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64})

UNITS = {
    spelling: names.split()[0]
    for names in (
        'inch inches in "', "mm millimetre millimetres millimeter millimeters", "cm cms centimetre centimetres centimeter centimeters",
        "m mtr mtrs metre metres meter meters", "km", "ft foot feet", "yd yds yard yards", "mg", "g gm gms gram grams gr",
        "kg kgs kilogram kilograms", "oz ounce ounces", "lb lbs pound pounds", "ml mls millilitre millilitres milliliter milliliters",
        "cl", "l ltr ltrs litre litres liter liters", "gal gallon gallons", "w watt watts", "kw", "v volt volts", "amp amps ampere amperes",
        "ma", "mah", "ah", "wh", "hz", "khz", "mhz", "ghz", "db", "kb", "mb", "gb gigabyte gigabytes", "tb terabyte terabytes",
        "mbps", "gbps", "mp megapixel megapixels", "px pixel pixels", "dpi", "rpm", "psi", "lm lumen lumens", "% percent",
        "sec second seconds", "min mins minute minutes", "h hr hrs hour hours", "day days", "week weeks", "month months",
        "yr yrs year years",
    )
    for spelling in names.split()
}  # fmt: skip
"""Units of measurement: the spellings of each, and the one that stands for all."""

NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
} | {"dozen": "12"}
"""English number words, and the numbers that they name."""

TENS = frozenset({"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"})

COUNT_NOUNS = frozenset({"pack", "packs", "piece", "pieces", "pc", "pcs"})
"""What numbers of products are counted in."""

CURRENCY = "currency"
"""The unit of an amount of money."""


_NUMBER_WORD = "|".join(NUMBER_WORDS)
_COUNTED_IN_WORDS = re.compile(
    rf"(\b(?:(?:packs?|sets?) of|size) )({_NUMBER_WORD})\b|(?<![\w-])({_NUMBER_WORD})(?=[ -]packs?\b)"
)
_MEASURE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(?:([ -]?)([^\W\d_]+(?!\w)|[\"%]))?")
_CURRENCY = re.compile(r"([$€£₹¥]|\b(?:rs\.?|usd|eur|gbp|inr)) ?\Z")
_JOINS = re.compile(r" ?(?:x|/|-|to|and|or|&) ?")
_COMMA = re.compile(r", ?")


@dataclass(frozen=True)
class Measure:
    """A number with its unit, as `UNITS` or a currency names it; None if it has none. `start` and `end`: in the normalized text.

    `is_stated`: whether the text has the unit beside the number, and `end` is after it; else the unit is that of a later number.
    """

    number: str
    unit: str | None
    start: int
    end: int
    is_stated: bool = True


def normalized(text: str) -> str:
    """Return the text in lower case, with compatible characters as one (`m²` is `m2`), and each number in one spelling."""
    text = unicodedata.normalize("NFKC", _VULGAR_FRACTION.sub(" ", text)).replace(_FRACTION_SLASH, "/")
    text = text.casefold().translate(_HYPHENS)
    text = _DECIMAL_COMMA.sub(r"\1.\2", _THOUSANDS_SEPARATOR.sub("", text))
    return _FRACTION.sub(_decimal, _TIMES.sub(" x ", _LEADING_POINT.sub("0.", text)))


def with_counts_in_digits(text: str) -> str:
    """Return a normalized text with the numbers of packs, sets and sizes in digits: `pack of two` as `pack of 2`, `two-pack` as `2-pack`."""
    return _COUNTED_IN_WORDS.sub(lambda found: (found[1] or "") + NUMBER_WORDS[found[2] or found[3]], text)


def plain_number(number: str) -> str:
    """Return a number without zeros after its last decimal."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def numbers_beside_commas(text: str) -> list[str]:
    """Return the numbers of a text that `normalized()` reads as one with a decimal comma, and that may be two: `sizes 8,10`."""
    return [number for match in _DECIMAL_COMMA.finditer(text) for number in match.groups()]


def measures(text: str) -> list[Measure]:
    """Return the numbers of a normalized text with their units.

    A number before `x`, `/`, `-`, `&`, `to`, `and` or `or` shares the unit of the next number, and one before a comma if the next
    shares that of its next (`8, 10 and 12 cm`). What is counted does not (`pack of 4`).
    """
    found: list[Measure] = []
    is_shared = False
    for match in reversed(list(_MEASURE.finditer(text))):
        number, space, word = match.groups()
        unit = (
            None
            if word is None or is_preposition(word, space, text[match.end() : match.end() + 1])
            else UNITS.get(word)
        )
        currency = _CURRENCY.search(text, max(0, match.start() - 5), match.start())
        end = match.end() if unit else match.end(1)
        if currency:
            unit, end = CURRENCY, match.end(1)
        is_shared = (
            unit is None and bool(found) and found[-1].unit != CURRENCY and _joins(text, match, found[-1], is_shared)
        )
        if is_shared:
            unit = found[-1].unit
        found.append(Measure(plain_number(number), unit, match.start(), end, is_stated=not is_shared))
    return found[::-1]


def _joins(text: str, number: re.Match[str], following: Measure, is_shared: bool) -> bool:
    """Return whether a number has the unit of the following one. `is_shared`: whether that one has it from its next."""
    if text.endswith("of ", 0, number.start()):
        return False
    between = text[number.end(1) : following.start]
    return bool(_JOINS.fullmatch(between) or (is_shared and _COMMA.fullmatch(between)))


def is_preposition(word: str, space: str, after: str) -> bool:
    """Return whether `in` after a number is a word: in `5 in 1` and `5-in-1`, not in `5in` and `5-in`. `after`: the character after it."""
    return word == "in" and (space == " " or after == "-")


def _decimal(match: re.Match[str]) -> str:
    """Return a fraction as a decimal number: `1-1/2` is `1.5`. `24/7` and `110/240` are no fractions."""
    whole, numerator, denominator = (int(part or 0) for part in match.groups())
    if denominator not in _DENOMINATORS or not 0 < numerator < denominator:
        return match[0]
    return plain_number(f"{whole + numerator / denominator:.4f}")
