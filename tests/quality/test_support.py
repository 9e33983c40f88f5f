"""The sentence that nothing speaks for is found."""

import pytest

from jobs.quality.support import known_words, least_supported, unsupported_clause, unsupported_short_sentence
from jobs.quality.word_statistics import WordStatistics

KNOWN = known_words(["Red wool sock", "A warm sock of soft red wool for the winter. It is knitted by hand."])
SUPPORTED = "A soft sock of red wool for the winter."
UNSUPPORTED = "Cures headaches and improves moods within days."


@pytest.fixture
def statistics() -> WordStatistics:
    counted = WordStatistics()
    for _ in range(9):
        counted.add("Red wool sock", SUPPORTED, [])
    return counted.finish()


def test_the_share_is_that_of_the_rare_words_that_a_source_has(statistics: WordStatistics) -> None:
    found = least_supported(f"{SUPPORTED} {UNSUPPORTED}", KNOWN, statistics)
    assert found is not None
    assert (found.part, found.share) == (UNSUPPORTED, 0)
    assert (least_supported(SUPPORTED, KNOWN, statistics) or found).share == 1
    mixed = least_supported("A soft sock of red marble for winter.", KNOWN, statistics)
    assert mixed is not None
    common, rare = statistics.rarity("sock"), statistics.rarity("marble")
    assert mixed.share == pytest.approx(7 * common / (7 * common + rare))


@pytest.mark.parametrize("text", ["", "Cures headaches within days.", "Cures 10 headaches of 20 in 30 days."])
def test_a_share_needs_six_words_that_are_no_numbers(text: str, statistics: WordStatistics) -> None:
    assert least_supported(text, KNOWN, statistics) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{SUPPORTED} Lifetime warranty.", "Lifetime warranty."),
        (f"{SUPPORTED} Waterproof!", "Waterproof!"),
        (f"{SUPPORTED} Machine washable wool.", None),
        (f"{SUPPORTED} Hand-knitted.", None),
        (f"{SUPPORTED} 30 x 20.", None),  # numbers are left to `grounding`
        (UNSUPPORTED, None),  # has a share
    ],
)
def test_a_short_sentence_needs_a_word_that_a_source_has(text: str, sentence: str | None) -> None:
    found = unsupported_short_sentence(text, KNOWN)
    assert (found.part if found else None) == sentence


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("A soft red sock, lifetime warranty, machine washable.", "lifetime warranty"),
        ("A soft red sock (lifetime warranty)", "lifetime warranty"),
        ("A soft red sockLifetime warranty", "Lifetime warranty"),
        (f"A soft red sock; {UNSUPPORTED}", UNSUPPORTED.rstrip(".")),
        ("A soft red sock with a lifetime warranty", None),
        ("A soft red sock, for hikers, 30 x 20 cm", None),
        ("A soft red sock, machine washable wool", None),
    ],
)
def test_a_clause_of_two_words_needs_one_that_a_source_has(text: str, clause: str | None) -> None:
    found = unsupported_clause(text, KNOWN)
    assert (found.part if found else None) == clause


@pytest.mark.parametrize(("title", "clause"), [("StarTech.com Red Sock", None), ("Red Sock", "This is the Star")])
def test_a_name_with_a_capital_within_is_not_divided_if_the_title_has_it(title: str, clause: str | None) -> None:
    found = unsupported_clause("This is the StarTech.com red sock", known_words([title]), title)
    assert (found.part if found else None) == clause
