"""A misspelt word of the title is found, and no other word is taken for one."""

import pytest

from jobs.quality.spelling import misspelt_word
from jobs.quality.word_statistics import WordStatistics

TITLE = "Moleskine Classic Notebook, Hard Cover"


def statistics(*texts: str) -> WordStatistics:
    counted = WordStatistics()
    for text in texts:
        counted.add("Notebook", text, [])
    return counted.finish()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A Moleskin notebook.", ("moleskine", "moleskin")),
        ("A Molesknie notebook.", None),  # two letters differ
        ("A Moloskine notebook.", ("moleskine", "moloskine")),
        ("A Mooleskine notebook.", ("moleskine", "mooleskine")),
        ("A Mole notebook.", ("moleskine", "mole")),
        ("A Mol notebook.", None),  # too short to tell
        ("A Moleskines notebook.", None),  # a plural
        ("Classics of notebooks.", None),
        ("A Moleskine notebook by Moleskin.", None),  # the right word is there too
        ("A classy notebook.", None),
        ("A hart cover.", None),  # "hard" is too short
    ],
)
def test_a_word_one_letter_away_from_one_of_the_title_or_its_beginning_is_misspelt(
    text: str, found: tuple[str, str] | None
) -> None:
    assert misspelt_word(TITLE, text, (), statistics()) == found


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Paint Brush", "Brushes."),
        ("Printed Shirt", "A print."),
        ("Wooden Tray", "Of wood."),
        ("Desk Organizer", "To organize."),
    ],
)
def test_an_inflection_is_no_misspelling(title: str, text: str) -> None:
    assert misspelt_word(title, text, (), statistics()) is None


def test_a_word_that_a_source_or_other_texts_have_is_none() -> None:
    text = "A Moleskin notebook."
    assert misspelt_word(TITLE, text, ("Moleskin notebook",), statistics()) is None
    assert misspelt_word(TITLE, text, (), statistics("Of moleskin.")) == ("moleskine", "moleskin")
    assert misspelt_word(TITLE, text, (), statistics("Of moleskin.", "Moleskin.")) is None
