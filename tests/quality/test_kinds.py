"""A text that names another kind of product than its title is found."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.checks import contradicted_facts
from jobs.quality.kinds import as_accessory, other_kind
from jobs.quality.word_statistics import MIN_ENDINGS, WordStatistics
from tests.quality.matchers import share_matcher

TITLE = "Alder Women Red Kurta with Palazzos"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def counted(products: int = MIN_ENDINGS) -> WordStatistics:
    """Return statistics of kurtas, dresses, cases, and cameras whose texts speak of cases."""
    statistics = WordStatistics()
    for number in range(products):
        statistics.add(f"Alder Women Red Kurta with Palazzos, {number}", "A red kurta.", [])
        statistics.add(f"Birch Blue Dress - {number}", "A blue dress.", [])
        statistics.add(f"Cedar Case, {number} cm", "A case.", [])
        statistics.add(f"Dogwood Camera (C{number})", "A camera with a strap and a case.", [])
        statistics.add(f"Elm Camera (C{number})", "A camera, in its case.", [])
    return statistics.finish()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A red dress.", ("kurta", "dress")),
        ("Red dresses, and a case.", ("kurta", "case")),
        ("A red kurta, like a dress.", None),
        ("Red kurtas, better than a dress.", None),
        ("A red garment.", None),
        ("A red palazzokurta, no dress.", None),
        ("Palazzos and a camera.", ("kurta", "camera")),
    ],
)
def test_another_kind_in_the_place_of_the_titles_is_named(text: str, found: tuple[str, str] | None) -> None:
    assert other_kind(TITLE, text, (), counted()) == found


def test_a_short_kind_within_another_word_is_no_mention_of_it() -> None:
    statistics = WordStatistics()
    for number in range(MIN_ENDINGS):
        statistics.add(f"Alder Wool Hat, {number}", "A wool hat.", [])
        statistics.add(f"Birch Wool Scarf, {number}", "A wool scarf.", [])
        statistics.add(f"Cedar Cotton Shirt, {number}", "A cotton shirt.", [])
    statistics.finish()
    assert other_kind("Elm Wool Hat", "A soft wool scarf that keeps warm.", [], statistics) == ("hat", "scarf")
    assert other_kind("Elm Cotton Shirt", "A sweatshirt, better than a scarf.", [], statistics) is None


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Elm Red Shoe", "Red shoes, better than a scarf."),
        ("Elm Red Dress", "Red dresses, better than a scarf."),
        ("Elm Blue Bag", "A blue handbag, better than a scarf."),
        ("Elm Steel Pan", "A saucepan, better than a scarf."),
        ("Elm Black Case", "Suitcases, better than a scarf."),
        ("Elm Wallet", "A wallet2 with a scarf."),
    ],
)
def test_a_plural_or_a_compound_of_a_kind_is_of_the_kind(title: str, text: str) -> None:
    statistics = WordStatistics()
    for number in range(MIN_ENDINGS):
        for kind in ("Shoe", "Dress", "Bag", "Pan", "Case", "Wallet", "Scarf"):
            statistics.add(f"Alder {kind}, {number}", f"A {kind}.", [])
    statistics.finish()
    assert other_kind(title, text, [], statistics) is None
    assert other_kind(title, "A scarf on a laptop, company and landscape.", [], statistics) is not None


def test_a_kind_that_texts_about_others_mention_counts_if_no_neighbour_mentions_it() -> None:
    assert other_kind(TITLE, "A red case.", ["A blue kurta."], counted()) == ("kurta", "case")
    assert other_kind(TITLE, "A red case.", ["A kurta in a case."], counted()) is None
    assert other_kind(TITLE, "A red dress.", ["A dress."], counted()) == ("kurta", "dress")


def test_a_kind_must_end_enough_titles_and_most_of_those_that_have_it() -> None:
    assert [word for word in counted().titles if counted().is_kind(word)] == ["kurta", "dress", "case", "camera"]
    assert not any(map(counted(MIN_ENDINGS - 1).is_kind, ("kurta", "dress", "case")))
    statistics = counted()
    for number in range(MIN_ENDINGS):
        statistics.add(f"Kurta of cotton, {number}", "", [])
        statistics.add(f"Fir Kurta Sewing Kit {number}", "", [])
        statistics.add(f"Gum Kurta Sewing Kit {number}", "", [])
    assert statistics.is_kind("kurta")
    statistics.add("Fir Kurta Hanger", "", [])
    assert not statistics.is_kind("kurta")


def test_another_kind_is_a_contradiction() -> None:
    made = replace(share_matcher(), statistics=counted())
    assert ("kurta", "dress") in contradicted_facts(TITLE, "A red dress.", (), made.match(TITLE, "A red dress.", ()))


@pytest.mark.parametrize(
    ("title", "text", "product"),
    [
        (TITLE, "Red palazzos with a kurta.", "kurta"),
        (TITLE, "Soft and light. Palazzos that come with red kurtas.", "kurta"),
        ("Elm Black Toner Cartridge for Fir Printer M201", "A printer M201 with an Elm toner cartridge.", "cartridge"),
        (TITLE, "A kurta, red, with palazzos.", None),
        (TITLE, "Palazzos and a kurta, with a tassel.", None),
        (TITLE, "For palazzos. A tassel with a kurta.", None),
        ("Elm Transfers for Team Shirts", "Show the spirit of your team with these transfers.", None),
        ("Elm Case with Strap and Phone Case", "A strap with a case.", None),  # it comes with a case, too
        ("Elm 201 for Printers", "Printers with 201.", None),
        ("Elm Kurta", "Palazzos with a kurta.", None),
        (TITLE, "", None),
    ],
)
def test_a_product_that_only_comes_with_its_accessory_is_named(title: str, text: str, product: str | None) -> None:
    found = as_accessory(title, text)
    assert (found[0] if found else None) == product
    assert found is None or found in contradicted_facts(title, text, (), None)


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=3))
def test_any_text_can_be_read(text: str, title: str, neighbours: list[str]) -> None:
    statistics = counted()
    statistics.add(title, text, neighbours)
    found = other_kind(title, text, neighbours, statistics)
    assert found is None or (statistics.is_kind(found[0]) and statistics.is_kind(found[1]))
