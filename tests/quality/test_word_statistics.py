"""Counts of words in sellers' own texts and in those of other products give the weight of each word as evidence."""

import math

from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.word_statistics import WordStatistics

PHRASES = st.lists(st.sampled_from(["red", "blue", "pan", "lamp", "10-inch", "wi-fi"]), max_size=5).map(" ".join)
PRODUCTS = st.lists(st.tuples(PHRASES, PHRASES, st.lists(PHRASES, max_size=3)), max_size=6)


def counted(products: list[tuple[str, str, list[str]]]) -> WordStatistics:
    statistics = WordStatistics()
    for title, text, others in products:
        statistics.add(title, text, others)
    return statistics.finish()


def test_a_word_counts_once_per_title_and_compounds_count_in_any_spelling() -> None:
    statistics = counted([("Wi-Fi lamp lamp", "A wifi lamp, a lamp.", ["A lamp."]), ("Lamp", "A desk.", ["A desk."])])
    assert (statistics.titles["lamp"], statistics.own["lamp"]) == (2, 1)
    assert (statistics.other_titles["lamp"], statistics.others["lamp"]) == (2, 1)
    assert (statistics.own["wi-fi"], statistics.texts["lamp"]) == (0, 2)
    assert counted([("Wifi lamp", "A wi-fi lamp.", [])]).own["wifi"] == 1


def test_a_word_is_extra_if_its_title_has_it_in_no_spelling() -> None:
    statistics = counted([("Wi-Fi lamp", "A wifi lamp, red, red.", ["A wi-fi desk."])])
    assert dict(statistics.own_extra) == {"a": 1, "red": 1}
    assert dict(statistics.own_texts) == {"a": 1, "wifi": 1, "lamp": 1, "red": 1}
    assert dict(statistics.other_extra) == {"a": 1, "desk": 1}


def test_a_word_never_seen_is_the_rarest_and_weighs_as_much_as_the_mean_word() -> None:
    statistics = counted([("Red pan", "A red pan.", ["A blue pan."])] * 9)
    assert statistics.rarity("unseen") == math.log(10) > statistics.rarity("pan")
    expected = math.log(statistics.own_rate / statistics.other_rate)
    assert math.isclose(statistics.evidence("unseen", True), expected)
    assert statistics.evidence("red", True) > expected > statistics.evidence("pan", True)


@given(PRODUCTS, PHRASES.filter(bool))
def test_evidence_and_rarity_are_finite_for_any_counts(products: list[tuple[str, str, list[str]]], word: str) -> None:
    statistics = counted(products)
    values = [
        statistics.evidence(word, True),
        statistics.evidence(word, False),
        statistics.rarity(word),
        statistics.evidence_of_extra(word),
    ]
    assert all(math.isfinite(value) for value in values)
    assert statistics.rarity(word) >= 0
    assert values[0] * values[1] <= 0  # a word that speaks for the text if present speaks against it if absent


def test_a_maker_begins_titles_and_is_not_named_for_products_of_others() -> None:
    pairs = [
        *[("Alderney pan", "An alderney pan.")] * 3,
        *[("Greyfell lamp", "A lamp for the desk.")] * 2,
        *[("Fine pan", "A fine pan.")] * 3,
        *[("Lamp", "A fine lamp.")] * 3,
        *[("Lamp by Dovetail", "By dovetail.")] * 9,
        *[("Dovetail lamp", "By dovetail.")] * 3,
    ]
    statistics = counted([(title, text, []) for title, text in pairs])
    names = ("alderney", "greyfell", "fine", "dovetail", "nobody")
    assert [name for name in names if statistics.is_maker(name)] == ["alderney"]
