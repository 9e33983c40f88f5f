"""Words that a catalogue's texts never have side by side are found, the most surprising ones first."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.word_pairs import count_word_pairs, load_word_pairs, no_word_pairs

TEXTS = ["The puzzle is made of birch for rainy afternoons. Size: 500 Piece."] * 20 + [
    "Each bit is marked with its size. Colour: yellow."
] * 10
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d-e", "1/2"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("text", "title", "words"),
    [
        ("The puzzle is made of birch. Size: 500 Piece.", "", "birch size"),
        ("Each bit is marked with its yellow.", "", "its yellow"),
        ("THE PUZZLE is made of birch", "", None),
        ("A new word of birch.", "", None),  # nothing is known of a new word
        ("The birch puzzle", "Birch puzzle, 500 Piece", "the birch"),
        ("birch puzzle", "Birch puzzle, 500 Piece", None),
        ("puzzle birch", "Birch puzzle, 500 Piece", None),
        ("", "", None),
        ("birch", "", None),
    ],
)
def test_the_words_that_chance_would_have_put_there_are_named(text: str, title: str, words: str | None) -> None:
    found = count_word_pairs(TEXTS).unseen_pair(title, text)
    assert (found.words if found else None) == words


def test_the_expectation_is_the_product_of_the_frequencies() -> None:
    """`a` is first in 3 of 9 pairs, `c` is second in 3."""
    found = count_word_pairs(["a b c"] * 3 + ["b d"] * 3).unseen_pair("", "a c")
    assert found is not None
    assert found.expected == pytest.approx(3 * 3 / 9)


def test_no_word_pairs_finds_nothing() -> None:
    assert no_word_pairs().unseen_pair("title", "any text at all") is None


@given(st.lists(WORDS, max_size=6), WORDS)
def test_a_text_of_the_catalogue_has_no_unseen_pair(texts: list[str], title: str) -> None:
    learnt = count_word_pairs(texts)
    assert not [text for text in texts if learnt.unseen_pair(title, text)]


@given(st.lists(WORDS, max_size=6), WORDS)
def test_the_order_of_the_texts_does_not_matter(texts: list[str], text: str) -> None:
    assert count_word_pairs(texts).unseen_pair("", text) == count_word_pairs(texts[::-1]).unseen_pair("", text)


def test_saved_word_pairs_are_the_same(tmp_path: Path) -> None:
    learnt = count_word_pairs(TEXTS)
    learnt.save(tmp_path / "file")
    loaded = load_word_pairs(tmp_path / "file")
    for name, values in vars(learnt).items():
        np.testing.assert_array_equal(getattr(loaded, name), values)
        assert getattr(loaded, name).dtype == values.dtype
