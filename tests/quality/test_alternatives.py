"""Words that exclude each other are found in titles, and named where a text has the wrong one."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.alternatives import (
    LONGEST,
    conflicting_alternatives,
    difference,
    differing_titles,
    exchanges,
    find_alternatives,
    with_phrase,
    with_text_counts,
)
from jobs.quality.terms import phrases, terms

RED, BLUE = "Alderney Cast Iron Pan, 10-inch, Red", "Alderney Cast Iron Pan, 10-inch, Navy Blue"
STEEL = "Alderney Carbon Steel Pan, 10-inch, Red"
TITLES = st.lists(st.sampled_from(["red", "blue", "iron", "steel", "pan", "10-inch", "a"]), max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("title", "other", "expected"),
    [
        (RED, BLUE, ("red", "navy blue")),
        (RED, STEEL, ("cast iron", "carbon steel")),
        (RED, RED, None),
        (RED, "Alderney Carbon Steel Pan, 10-inch, Navy Blue", None),
        ("Red pan", "Blue pan", None),  # one shared word shows too little
        ("Small low-rise jeans", "Small mid-rise jeans", ("low-rise", "mid-rise")),
    ],
)
def test_the_difference_is_one_short_span(title: str, other: str, expected: tuple[str, str] | None) -> None:
    assert difference(terms(title), terms(other)) == expected


@given(TITLES, TITLES)
def test_the_difference_is_symmetric(title: str, other: str) -> None:
    forward, backward = difference(terms(title), terms(other)), difference(terms(other), terms(title))
    assert forward == (backward and backward[::-1])


def test_a_text_with_an_alternative_in_place_of_its_title_s_word_contradicts_it() -> None:
    table = find_alternatives([(RED, BLUE), (RED, STEEL)])
    [found] = conflicting_alternatives(RED, "A cast iron pan in navy blue.", table)
    assert (found.phrase, found.other, found.pairs) == ("red", "navy blue", 1)
    assert (found.example, found.example_other) == (RED, BLUE)
    assert conflicting_alternatives(RED, "A cast iron pan in red, also sold in navy blue.", table) == []
    assert conflicting_alternatives(RED, "A pan of carbon steel in red.", table)[0].phrase == "cast iron"
    assert conflicting_alternatives(BLUE, "A cast iron pan in red.", table)[0].other == "red"


def test_sellers_texts_show_which_alternatives_are_no_contradiction() -> None:
    grey, gray, red = "Wool Sock Grey", "Wool Sock Gray", "Wool Sock Red"
    table = find_alternatives([(grey, gray), (grey, red)] * 3)
    own = [(grey, "A gray sock of wool.")] * 5
    counted = with_text_counts(table, own, [(grey, "A red sock of wool.")] * 5)
    assert counted["grey"]["gray"].own_texts == 5
    assert counted["grey"]["red"].other_texts == 5
    assert counted["grey"]["gray"].strength < 0 < counted["grey"]["red"].strength


def test_an_exchange_changes_one_fact_everywhere_in_the_text() -> None:
    table = find_alternatives([(RED, BLUE), (f"New {RED}", f"New {BLUE}")])
    [(item, text)] = list(exchanges(RED, "A red pan. Red looks good; bored does not.", table))
    assert (item.phrase, item.other) == ("red", "navy blue")
    assert text == "A navy blue pan. Navy Blue looks good; bored does not."


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("a red pan", "an orange pan"),
        ("A Red pan and the red lid", "An Orange pan and the orange lid"),
        ("RED PAN", "ORANGE PAN"),
        ("Area red", "Area orange"),
        ("a red-hot, a red pan", "a red-hot, an orange pan"),
    ],
)
def test_a_phrase_is_exchanged_in_the_same_case_and_after_the_right_article(text: str, changed: str) -> None:
    assert with_phrase(text, "red", "orange") == changed
    assert with_phrase(changed, "orange", "red") == text


def test_numbers_and_sizes_are_exchanged_as_they_are_spoken_and_written() -> None:
    assert with_phrase("An 8 inch pan", "8", "10") == "A 10 inch pan"
    assert with_phrase("a 10 inch pan", "10", "11") == "an 11 inch pan"
    assert with_phrase("Tee, size L", "l", "xl") == "Tee, size XL"


def test_titles_that_differ_in_one_short_span_are_paired() -> None:
    titles = [RED, BLUE, STEEL, "Copper pot", RED, "Fernhill cast iron frying pan 12 inch, navy blue F77"]
    pairs = differing_titles(titles)
    assert all(difference(terms(titles[one]), terms(titles[other])) for one, other in pairs)
    assert (0, 1) in pairs
    assert differing_titles([]) == []


@given(st.lists(TITLES, max_size=5))
def test_paired_titles_are_those_that_differ_in_one_short_span(titles: list[str]) -> None:
    compared = (difference(terms(one), terms(other)) for one, other in combinations(titles, 2))
    found = [difference(terms(titles[one]), terms(titles[other])) for one, other in differing_titles(titles)]
    assert None not in found
    assert {frozenset(spans) for spans in found if spans} == {frozenset(spans) for spans in compared if spans}


@given(TITLES, TITLES, TITLES)
def test_a_text_that_repeats_its_title_contradicts_nothing(title: str, other: str, third: str) -> None:
    table = find_alternatives([(title, other), (title, third), (other, third)])
    assert conflicting_alternatives(title, title, table) == []


def test_a_pair_of_titles_counts_once_whichever_comes_first() -> None:
    table = find_alternatives([(RED, BLUE), (BLUE, RED), (RED, BLUE)])
    assert [item.pairs for row in table.values() for item in row.values()] == [1, 1]


@given(st.lists(st.tuples(TITLES, TITLES), max_size=6))
def test_each_pair_of_alternatives_is_in_the_table_both_ways(pairs: list[tuple[str, str]]) -> None:
    table = find_alternatives(pairs)
    for phrase, row in table.items():
        for other, item in row.items():
            back = table[other][phrase]
            assert (item.phrase, item.other, item.pairs) == (back.other, back.phrase, back.pairs)
            assert (item.example, item.example_other) == (back.example_other, back.example)
            assert phrase in phrases(terms(item.example), LONGEST)


@given(st.lists(st.tuples(TITLES, TITLES), max_size=6), TITLES, TITLES)
def test_an_exchange_puts_in_one_alternative_that_neither_title_nor_text_has(
    pairs: list[tuple[str, str]], title: str, text: str
) -> None:
    again = [(f"{one} again", f"{other} again") for one, other in pairs]
    for item, changed in exchanges(title, text, find_alternatives([*pairs, *again])):
        assert terms(changed) != terms(text)
        assert item.phrase in phrases(terms(title), LONGEST)
        assert item.other in phrases(terms(changed), LONGEST)
        assert item.other not in phrases(terms(title), LONGEST) | phrases(terms(text), LONGEST)
        assert terms(with_phrase(changed, item.other, item.phrase)) == terms(text)


def test_an_exchange_leaves_compounds_and_numbers_with_the_same_letters_as_they_are() -> None:
    table = find_alternatives(
        [
            (f"{kind} sock {one}", f"{kind} sock {other}")
            for kind in ("Wool", "Linen")
            for one, other in (("10", "12"), ("red", "blue"))
        ]
    )
    [(_, text)] = exchanges("Wool sock 10", "Of 10, 10-inch, 1.10, 10/12 or A10 each: 10.", table)
    assert text == "Of 12, 10-inch, 1.10, 10/12 or A10 each: 12."
    assert list(exchanges("Wool sock red, blue", "A red sock.", table)) == []  # blue is true of it as well
