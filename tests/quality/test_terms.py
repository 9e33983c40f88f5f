"""Terms are the words, codes and measures of a text, and a text mentions a compound in any of its spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality.terms import adjacent, has_digit, is_mentioned, mentioned, phrases, term_set, terms, without_run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Wi-Fi Tablet, 10-inch, 1/2" thick.', ["wi-fi", "tablet", "10-inch", "1/2", "thick"]),
        ("MFC-240C (Black/Cyan) 2.4GHz...", ["mfc-240c", "black/cyan", "2.4ghz"]),
        ("Straße 5", ["strasse", "5"]),
        ("مصباح أحمر", ["مصباح", "أحمر"]),
        (" -./ ", []),
    ],
)
def test_the_terms_of_a_text(text: str, expected: list[str]) -> None:
    assert list(terms(text)) == expected


def test_a_compound_is_mentioned_as_such_by_its_parts_and_as_one_word() -> None:
    assert term_set(["wi-fi", "1/2", "red"]) == {"wi-fi", "wi", "fi", "wifi", "1/2", "1", "2", "12", "red"}


def test_phrases_are_all_runs_up_to_the_longest() -> None:
    assert phrases(["cast", "iron", "pan"], 2) == {"cast", "iron", "pan", "cast iron", "iron pan"}
    assert phrases([], 2) == set()


@given(st.text(max_size=100))
def test_terms_do_not_depend_on_case_or_on_the_text_around_them(text: str) -> None:
    found = terms(text)
    assert terms(" ".join(found)) == found
    assert terms(text.casefold()) == found
    assert set(found) <= term_set(found)
    assert {term for term in found if has_digit(term)} == {term for term in found if any(map(str.isdigit, term))}


def test_the_first_run_of_a_phrase_is_removed() -> None:
    assert without_run("The Red Sock, a red sock.", "red sock", 3) == "the a red sock"
    assert without_run("The Red Sock, a red sock.", "red sock", 5) is None
    assert without_run("A sock in red.", "red sock", 0) is None
    assert without_run("A sock in red.", "", 0) is None


@pytest.mark.parametrize("source", ["hard wearing", "hard-wearing", "hardwearing"])
def test_a_compound_is_known_in_any_of_its_spellings(source: str) -> None:
    known = mentioned(source) | adjacent(source)
    assert is_mentioned("hard-wearing", known)
    assert not is_mentioned("hard-boiled", known)
    assert not is_mentioned("soft", known)


def test_parts_of_a_compound_apart_from_each_other_are_not_the_compound() -> None:
    source = "A dog lead with a hard buckle. Free shipping. Easy wearing."
    known = mentioned(source) | adjacent(source)
    assert not is_mentioned("lead-free", known)
    assert not is_mentioned("hard-wearing", known)
