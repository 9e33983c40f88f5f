"""The sentence, the clause and the word that nothing speaks for are found."""

import pytest

from jobs.quality.support import (
    known_words,
    least_supported,
    unsupported_clause,
    unsupported_short_sentence,
    unsupported_words,
)
from jobs.quality.word_statistics import WordStatistics

TITLE = "Red wool sock, 40 g, RS-100, 03084"
KNOWN = known_words([TITLE, "A warm sock of soft red wool for the winter. It is knitted by hand."])
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
        (f"{SUPPORTED} Model number RS100.", None),
        (f"{SUPPORTED} Weight: 40 grams.", None),
        (f"{SUPPORTED} Woollen.", None),
        (f"{SUPPORTED} Part number 03084.", None),
        (f"{SUPPORTED} Guaranteed 40 years.", "Guaranteed 40 years."),
    ],
)
def test_a_short_sentence_needs_a_word_that_a_source_has(text: str, sentence: str | None) -> None:
    found = unsupported_short_sentence(text, KNOWN, TITLE)
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
        ("A soft red sock, weighing only 40g", None),
        ("A soft red sock, weighing only 50g", "weighing only 50g"),
    ],
)
def test_a_clause_of_two_words_needs_one_that_a_source_has(text: str, clause: str | None) -> None:
    found = unsupported_clause(text, KNOWN, TITLE)
    assert (found.part if found else None) == clause


@pytest.mark.parametrize(("title", "clause"), [("StarTech.com Red Sock", None), ("Red Sock", "This is the Star")])
def test_a_name_with_a_capital_within_is_not_divided_if_the_title_has_it(title: str, clause: str | None) -> None:
    found = unsupported_clause("This is the StarTech.com red sock", known_words([title]), title)
    assert (found.part if found else None) == clause


@pytest.fixture
def of_socks() -> WordStatistics:
    counted = WordStatistics()
    for material in ("wool", "cotton", "thermal"):
        counted.add(
            f"Grey {material} sock, pack of 2", f"A stylish {material} sock with a grey heel for the winter.", []
        )
    return counted.finish()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A grey wool sock.", ("wool",)),
        ("A thermal wool sock.", ("thermal", "wool")),  # one before the other
        ("The wool's sock.", ("wool",)),
        ("Wool for the sock.", ("wool",)),
        ("Wool for socks.", ()),
        ("A thermal sock made of stylish wool.", ("thermal", "wool")),
        ("A sock, crafted from knit cotton for the winter.", ("cotton",)),
        ("A sock made of marble.", ("marble",)),  # no title has it
        ("A sock made for wool.", ()),
        ("A grey sock by Harbrook.", ("harbrook",)),
        ("A sock by the pair.", ("pair",)),
        ("A grey sock of wool for the winter.", ()),  # not before a word of the title
        ("A grey sock, wool. Sock.", ()),
        ("A stylish sock.", ()),  # wording: no title has it
        ("A unicorn sock.", ()),  # nor does one have this
        ("A grey sock for the winter.", ()),
        ("A pack of socks, a pack sock.", ()),  # counts are left to `grounding`
        ("A knitted sock.", ()),  # a form of `knit`
    ],
)
def test_a_word_before_one_of_the_title_needs_a_source(
    text: str, words: tuple[str, ...], of_socks: WordStatistics
) -> None:
    of_socks.titles["knitted"] = 1
    assert unsupported_words("Grey knit sock", text, ["A sock."] * 8, 5, of_socks) == words


@pytest.mark.parametrize(("neighbours", "is_found"), [(0, True), (4, True), (5, False), (8, False)])
def test_a_word_before_one_of_the_title_needs_enough_neighbours(
    neighbours: int, is_found: bool, of_socks: WordStatistics
) -> None:
    sources = ["Made of wool."] * neighbours + ["A sock."] * (8 - neighbours)
    assert bool(unsupported_words("Grey sock", "A wool sock.", sources, 5, of_socks)) == is_found


@pytest.mark.parametrize(("sources", "is_found"), [([], True), (["A sock."], True), (["Of wool."] * 3, False)])
def test_all_of_fewer_neighbours_must_have_the_word(
    sources: list[str], is_found: bool, of_socks: WordStatistics
) -> None:
    assert bool(unsupported_words("Grey sock", "A wool sock.", sources, 5, of_socks)) == is_found


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Printed sock", "A print sock."),
        ("Flat-top box", "A flat top box."),
        ("Flat top box", "A flat-top box."),
    ],
)
def test_a_form_of_a_word_of_the_title_is_a_source(title: str, text: str, of_socks: WordStatistics) -> None:
    of_socks.titles.update(["print", "flat", "top", "flat-top"])
    assert unsupported_words(title, text, [], 5, of_socks) == ()
    assert unsupported_words(title.split()[-1], text, [], 5, of_socks) != ()
