"""Numbers and measures are read in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.numbers import UNITS, measures, normalized, plain_number, with_counts_in_digits


def read(text: str) -> list[tuple[str, str | None]]:
    return [(item.number, item.unit) for item in measures(normalized(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 pages", [("1000", None)]),
        (".5-in", [("0.5", "inch")]),
        ("52,5 x 29,7 mm", [("52.5", "mm"), ("29.7", "mm")]),
        ('24"X16"', [("24", "inch"), ("16", "inch")]),
        ("88.9x46.6 mm", [("88.9", "mm"), ("46.6", "mm")]),
        ("2½ inch", [("2.5", "inch")]),
        ('2 1/2"', [("2.5", "inch")]),
        ("8-1/2-inch", [("8.5", "inch")]),
        ("open 24/7", [("24", None), ("7", None)]),
        ("110/240 V", [("110", "v"), ("240", "v")]),
        ("5 to 10 cm", [("5", "cm"), ("10", "cm")]),
        ("pack of 4, 10 inch", [("4", None), ("10", "inch")]),
        ("pack of 4 & 10 inch", [("4", None), ("10", "inch")]),
        ("Pan 4, 10-inch", [("4", None), ("10", "inch")]),
        ("set of 2 1/4-inch bits", [("2", None), ("0.25", "inch")]),
        ("a size of 2 1/4 inches, sheets of 8-1/2 in", [("2.25", "inch"), ("8.5", None)]),
        ("8, 10 and 12 cm", [("8", "cm"), ("10", "cm"), ("12", "cm")]),
        ("5-in-1 tool, 5 in 1", [("5", None), ("1", None), ("5", None), ("1", None)]),
        ("5in and 5-in", [("5", "inch"), ("5", "inch")]),
        ("$64 for 64 GB", [("64", "currency"), ("64", "gb")]),
        ("Rs. 399 or 399 Rs", [("399", "currency"), ("399", None)]),
        ("100% of 64 gigabytes", [("100", "%"), ("64", "gb")]),
        ("the model M1255 or HDX4", []),
        ("10cm2", [("10", None)]),
    ],
)
def test_a_number_has_one_spelling_and_its_unit(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a pack of two, packs of twelve", "a pack of 2, packs of 12"),
        ("a set of three in size eight", "a set of 3 in size 8"),
        ("two packs of ten, a six-pack", "2 packs of 10, a 6-pack"),
        ("a backpack of two in twenty-two packs", "a backpack of two in twenty-two packs"),
        ("one of a kind, with two pockets", "one of a kind, with two pockets"),
    ],
)
def test_numbers_of_packs_in_words_become_digits(text: str, expected: str) -> None:
    assert with_counts_in_digits(text) == expected


def test_typographic_hyphens_are_hyphens() -> None:
    assert normalized("Off\u2011White 10\u201312") == "off-white 10-12"


@given(st.decimals(0, 10**6, places=3), st.sampled_from(sorted(UNITS)))
def test_any_number_is_read_with_its_unit(number: object, unit: str) -> None:
    assert read(f"A thing of {number}{unit}.") == [(plain_number(str(number)), UNITS[unit])]


@given(st.text(max_size=80))
def test_any_text_is_read_again_as_it_was_normalized(text: str) -> None:
    once = normalized(text)
    for item in measures(once):
        assert once[item.start : item.end].startswith(item.number[:1]) or item.number.startswith("0")
