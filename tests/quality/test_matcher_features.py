"""Features are finite for any text, and word statistics weigh a word by what it tells."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.features import NAMES, features
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


@given(st.text(max_size=80), st.text(max_size=200))
def test_features_are_finite_for_any_title_and_text(title: str, text: str) -> None:
    values, found = features(title, text, statistics(), {})
    assert values.shape == (len(NAMES),)
    assert np.isfinite(values).all()
    assert found == []


def test_a_compound_is_mentioned_by_its_parts_and_as_one_word() -> None:
    assert terms('Wi-Fi 10-inch 1/2" Tab') == ["wi-fi", "10-inch", "1/2", "tab"]
    assert {"wi-fi", "wi", "fi", "wifi"} <= term_set(terms("Wi-Fi"))
