"""The facts of the sample: a text is checked against the facts of its title."""

from itertools import pairwise

import pytest

from jobs.sample.facts import FACTS, check_facts, facts_of
from jobs.sample.rows import sample_rows
from jobs.text.cleaning import clean

TITLE = "Alderney Carbon Steel Frying Pan, 10-inch, Slate Grey (F216)"
TEXT = "The Alderney frying pan is made of carbon steel for the kitchen. Size: 10-inch. Colour: slate grey."

CLEANED = [
    (title, content)
    for row in sample_rows(400, seed=13)
    if (title := clean(row["title"], "catalogue")) and (content := clean(row["content"], "catalogue"))
]


def test_the_facts_of_a_title_are_found() -> None:
    assert facts_of(TITLE) == {
        "kind": "Frying Pan",
        "maker": "Alderney",
        "material": "Carbon Steel",
        "size": "10-inch",
        "colour": "Slate Grey",
    }


@pytest.mark.parametrize("material", ["Titanium-Coated", "Braided", "Wooden", "Cork-Backed"])
def test_the_materials_of_an_earlier_sample_are_known(material: str) -> None:
    title = f"Dovetail {material} Puzzle, 200 Piece, Red (P312)"
    assert facts_of(title)["material"] == material
    assert check_facts(title, f"A Dovetail puzzle of {material}. Size: 200 Piece. Colour: red.").all_right


def test_every_content_of_the_sample_has_all_facts_of_its_title() -> None:
    assert len(CLEANED) > 300
    assert [title for title, content in CLEANED if not check_facts(title, content).all_right] == []


def test_a_fact_that_two_products_do_not_share_is_wrong_in_the_content_of_the_other() -> None:
    for (title, _), (other_title, other_content) in pairwise(CLEANED):
        own, other = facts_of(title), facts_of(other_title)
        checked = check_facts(title, other_content)
        assert set(checked.wrong) == {fact for fact in FACTS if own[fact] != other[fact]}
        assert set(checked.right) == {fact for fact in FACTS if own[fact] == other[fact]}


@pytest.mark.parametrize(
    ("fact", "own", "other"),
    [
        ("kind", "frying pan", "cat bed"),
        ("maker", "Alderney", "Corrigan & Sons"),
        ("material", "carbon steel", "cast iron"),
        ("material", "carbon steel", "steel"),
        ("size", "10-inch", "12-inch"),
        ("size", "10-inch", "Small"),
        ("colour", "slate grey", "red"),
    ],
)
def test_the_value_of_another_product_is_wrong(fact: str, own: str, other: str) -> None:
    checked = check_facts(TITLE, TEXT.replace(own, other))
    assert {name: [value.casefold() for value in values] for name, values in checked.wrong.items()} == {
        fact: [other.casefold()]
    }
    assert checked.missing == ()
    assert set(checked.right) == set(FACTS) - {fact}
    assert not checked.all_right


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("kind", "The Alderney is made of carbon steel. Size: 10-inch. Colour: slate grey."),
        ("maker", "The frying pan is made of carbon steel. Size: 10-inch. Colour: slate grey."),
        ("material", "The Alderney frying pan is made of granite. Size: 10-inch. Colour: slate grey."),
        ("size", "The Alderney frying pan is made of carbon steel. Colour: slate grey."),
        ("colour", "The Alderney frying pan is made of carbon steel. Size: 10-inch. Colour: grey."),
    ],
)
def test_a_fact_that_the_text_does_not_state_is_missing(fact: str, text: str) -> None:
    checked = check_facts(TITLE, text)
    assert (checked.missing, checked.wrong) == ((fact,), {})
    assert not checked.all_right


def test_a_text_that_states_the_right_value_and_another_one_is_wrong() -> None:
    checked = check_facts(TITLE, f"{TEXT} Also in red.")
    assert checked.wrong == {"colour": ("Red",)}


def test_a_remark_about_another_kind_of_product_is_a_wrong_kind() -> None:
    checked = check_facts(TITLE, f"{TEXT} Charges at up to 100W.")
    assert checked.wrong == {"kind": ("Charges at up to 100W.",)}
    assert check_facts(TITLE, f"{TEXT} Works on gas and induction. Wipe clean with a damp cloth.").all_right


def test_remarks_and_promises_are_guesses() -> None:
    checked = check_facts(TITLE, f"{TEXT} Works on gas and induction. Comes with a two-year guarantee.")
    assert checked.guesses == ("Works on gas and induction.", "Comes with a two-year guarantee.")
    assert check_facts(TITLE, TEXT).guesses == ()
    assert check_facts(TITLE, f"{TEXT} New!").guesses == ("New!",)
    assert check_facts(TITLE, f"{TEXT} Renewed.").guesses == ()


def test_a_size_that_no_product_has_is_wrong() -> None:
    checked = check_facts(TITLE, TEXT.replace("10-inch", "35 cm"))
    assert checked.wrong == {"size": ("35 cm",)}


def test_small_batches_are_not_a_size() -> None:
    assert check_facts(TITLE, f"{TEXT} Made in small batches and checked by hand.").all_right


def test_an_empty_text_has_no_fact() -> None:
    assert check_facts(TITLE, "").missing == FACTS


def test_a_title_of_another_catalogue_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 values for kind, 0 values for maker"):
        facts_of("Stainless steel water bottle 750 ml")
