"""Sentences of a content: the last one is left out if the source has cut it off, and every recurring one is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.prepare.sentences import comparable, is_long, parts_of, rough_sentences, without_cut_off_sentence
from jobs.quality.metrics import sentences
from jobs.text.cleaning import clean

FIRST = "Runs on both kinds of computers and comes with a printed manual."


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (f"{FIRST} it gives you hours of ...", FIRST),
        (f"{FIRST} it gives you hours of \u2026 \n", FIRST),
        (f"It is small. {FIRST} it gives you ....", f"It is small. {FIRST}"),
        (f"{FIRST} it gives you hours of fun. ...", f"{FIRST} it gives you hours of fun."),
        (f"{FIRST} the story begins...", f"{FIRST} the story begins."),
        (f"{FIRST} it gives you hours of", f"{FIRST} it gives you hours of"),
        (f"{FIRST} written by Louis B. Peacock for all ...", FIRST),
        (f"{FIRST} made by Acme Inc. for all ...", FIRST),
        ("it gives you hours of ...", "it gives you hours of."),
        (f"System requirements. {FIRST[:-1]} ...", f"System requirements. {FIRST}"),
        ("...", ""),
    ],
)
def test_a_sentence_that_the_source_has_cut_off_is_left_out(raw: str, content: str) -> None:
    assert without_cut_off_sentence(raw, clean(raw, "catalogue")) == content


@given(st.text("aB1. !?-\u2026\n", max_size=60))
def test_what_is_left_is_the_beginning_of_the_content(raw: str) -> None:
    content = clean(raw, "catalogue")
    left = without_cut_off_sentence(raw, content)
    assert content.startswith(left)
    assert bool(left) == bool(content)


@given(st.lists(st.sampled_from(["Fine pan", "Cheap today for you", " - ", ". ", "! ", "? ", "New", "it lasts."])))
def test_every_sentence_and_long_part_is_among_the_rough_ones(words: list[str]) -> None:
    content = clean("".join(words), "catalogue")
    exact = sentences(content)
    exact += [part for sentence in exact for part in parts_of(sentence) if is_long(part)]
    expected = {comparable(part) for part in exact if " " in part}
    assert expected <= set(rough_sentences("Title", content))
