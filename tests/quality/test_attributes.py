"""What a text says of an attribute is held against the nearest products, where the title says nothing of it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.attributes import (
    MIN_TEXTS,
    MIN_VALUE_TEXTS,
    Attributes,
    find_attributes,
    load_attributes,
    save_attributes,
    unlike_neighbours,
    untitled,
)

TITLE = "Alder Women Red Top"
SLEEVES = {"sleeves": {"long": 20, "short": 20, "bell": 5}, "pattern:": {"floral": 20, "solid": 20}, "neck": {"v": 9}}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def tops(long: int, short: int, both: int = 0) -> list[str]:
    """Return different texts of tops by their sleeves."""
    sleeves = ["long sleeves"] * long + ["short sleeves"] * short + ["long sleeves and short sleeves"] * both
    return [f"Top of type {number}, it has {text}. The top of the house." for number, text in enumerate(sleeves)]


def test_words_before_the_same_noun_are_an_attribute_if_each_text_has_one() -> None:
    assert find_attributes(tops(20, 20)) == {"sleeves": {"long": 20, "short": 20}}
    assert find_attributes(tops(20, 20, both=2)) == {"sleeves": {"long": 22, "short": 22}}
    assert find_attributes(tops(20, 20, both=3)) == {}


@pytest.mark.parametrize(
    ("long", "short"), [(MIN_TEXTS - MIN_VALUE_TEXTS - 1, MIN_VALUE_TEXTS), (40, MIN_VALUE_TEXTS - 1), (60, 0)]
)
def test_rare_attributes_rare_values_and_single_ones_are_left_out(long: int, short: int) -> None:
    assert find_attributes(tops(long, short)) == {}


def test_a_text_that_occurs_often_counts_once() -> None:
    assert find_attributes(tops(20, 4) + ["It has short sleeves."] * 20) == find_attributes(tops(20, 5))


def test_a_word_that_is_before_many_others_is_no_value() -> None:
    texts = [f"Nr {number}: {value} sleeves" for number in range(20) for value in ("long", "the")]
    others = [f"Nr {number}: the {noun}" for number in range(20) for noun in map("x".__mul__, range(2, 30))]
    assert find_attributes(texts)["sleeves"] == {"long": 20, "the": 20}
    assert find_attributes(texts + others) == {}


def test_a_label_has_the_word_after_it_as_its_value() -> None:
    texts = [f"{number} Colour: red Pattern: {('floral', 'solid')[number % 2]}" for number in range(40)]
    assert find_attributes(texts) == {"pattern:": {"floral": 20, "solid": 20}}


@pytest.mark.parametrize(
    ("text", "neighbours", "found"),
    [
        ("A top, short sleeves.", ["Long sleeves."] * 5 + ["Short sleeves."] * 3, ("short sleeves", "long sleeves")),
        ("A top, short sleeves.", ["Long sleeves."] * 4 + ["Short sleeves."] * 4, None),
        ("A top, short sleeves.", ["Long sleeves."] + ["A top."] * 7, ("short sleeves", "long sleeves")),
        ("A top, short sleeves.", ["A top."] * 8, None),
        ("A top, short sleeves.", ["Long sleeves, short sleeves."] * 8, None),
        ("A top, short sleevesBlue.", ["Long sleevesRed."], ("short sleeves", "long sleeves")),
        ("Pattern: Floral.", ["Pattern: solid"], ("pattern: floral", "pattern: solid")),
        ("Short. Sleeves.", ["Long sleeves."], None),
        ("Puffed sleeves.", ["Long sleeves."], None),
    ],
)
def test_a_value_that_more_neighbours_contradict_is_found(
    text: str, neighbours: list[str], found: tuple[str, str] | None
) -> None:
    assert unlike_neighbours(TITLE, text, neighbours, SLEEVES) == found


def test_what_most_neighbours_have_is_named_and_the_first_of_as_many() -> None:
    neighbours = ["Long sleeves."] * 2 + ["Bell sleeves."] * 2
    assert unlike_neighbours(TITLE, "Short sleeves.", neighbours, SLEEVES) == ("short sleeves", "bell sleeves")
    assert unlike_neighbours(TITLE, "Short sleeves.", [*neighbours, "Long sleeves."], SLEEVES) == (
        "short sleeves",
        "long sleeves",
    )


def test_values_that_the_title_mentions_are_left_out() -> None:
    text, neighbours = "A V-neck, short sleeves.", ["Long sleeves."] * 8
    assert [item.as_text() for item in untitled(TITLE, text, SLEEVES)] == ["v neck", "short sleeves"]
    assert [item.as_text() for item in untitled("Top, V-neck", text, SLEEVES)] == ["short sleeves"]
    assert unlike_neighbours("Short-sleeved top", text, neighbours, SLEEVES) is None


@given(st.dictionaries(TEXTS, st.dictionaries(TEXTS, st.integers(0, 2**40), min_size=1), max_size=4))
def test_saved_attributes_are_read_as_they_were(attributes: Attributes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_attributes(attributes, Path(folder) / "attributes.parquet")
        assert load_attributes(Path(folder) / "attributes.parquet") == attributes


@given(st.lists(TEXTS), TEXTS, TEXTS)
def test_any_text_can_be_read(texts: list[str], text: str, title: str) -> None:
    assert find_attributes(texts) == {}
    assert unlike_neighbours(title, text, texts, SLEEVES) is None or texts
