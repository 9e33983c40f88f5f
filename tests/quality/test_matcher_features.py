"""Features are finite for any text, and word statistics weigh a word by what it tells."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.features import NAMES, measure
from jobs.quality.terms import term_set, terms
from jobs.quality.word_statistics import WordStatistics


def statistics() -> WordStatistics:
    counted = WordStatistics()
    for number in range(40):
        maker, other = f"maker{number % 4}", f"maker{(number + 1) % 4}"
        counted.add(f"{maker} wool sock", f"A wool sock by {maker}.", [f"A wool sock by {other}."])
    return counted.finish()


def test_a_word_that_only_the_own_text_has_is_evidence_and_a_word_of_every_text_is_not() -> None:
    counted = statistics()
    assert counted.evidence("maker1", True) > 1
    assert counted.evidence("maker1", False) < -1
    assert abs(counted.evidence("sock", True)) < 0.2
    assert counted.rarity("maker1") > counted.rarity("sock")


def test_a_word_that_only_other_texts_add_is_evidence_against_a_text() -> None:
    counted = statistics()
    for number in range(40):
        counted.add("wool sock", "A wool sock, washable.", [f"A wool sock, washable, by maker{number % 4}."])
    counted.finish()
    assert counted.evidence_of_extra("maker1") < -0.5
    assert abs(counted.evidence_of_extra("washable")) < 0.2


@given(st.text(max_size=80), st.text(max_size=200), st.lists(st.text(max_size=40), max_size=3))
def test_features_are_finite_for_any_title_and_text(title: str, text: str, neighbour_titles: list[str]) -> None:
    measured = measure(title, text, neighbour_titles, statistics(), {})
    assert measured.values.shape == (len(NAMES),)
    assert np.isfinite(measured.values).all()
    assert measured.contradictions == []
    assert set(measured.missing) <= set(terms(title))
    assert set(measured.unexpected) <= set(terms(text))


def test_a_text_about_a_neighbour_fits_its_title_better() -> None:
    title, other = "maker1 wool sock", "maker2 wool sock"
    neighbours = ["maker3 wool sock", other, title]
    about_other = measure(title, "A wool sock by maker2.", neighbours, statistics(), {})
    assert (about_other.other_title, about_other.missing, about_other.unexpected) == (other, ["maker1"], ["maker2"])
    own = measure(title, "A wool sock by maker1.", neighbours, statistics(), {})
    assert (own.other_title, own.missing, own.unexpected) == (None, [], [])
    for name in ("other_title_share", "other_title_evidence"):
        assert about_other.values[NAMES.index(name)] > 0 >= own.values[NAMES.index(name)]


def test_a_title_without_neighbours_is_compared_with_none() -> None:
    alone = measure("maker1 wool sock", "A wool sock by maker2.", (), statistics(), {})
    assert alone.other_title is None
    assert alone.values[NAMES.index("other_title_share")] == alone.values[NAMES.index("other_title_evidence")] == 0


def test_a_compound_is_mentioned_by_its_parts_and_as_one_word() -> None:
    assert terms('Wi-Fi 10-inch 1/2" Tab') == ("wi-fi", "10-inch", "1/2", "tab")
    assert {"wi-fi", "wi", "fi", "wifi"} <= term_set(terms("Wi-Fi"))
