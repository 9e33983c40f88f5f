"""A matcher gives a probability, the contradictions and the missing words, and the same after it was saved."""

import json
import math
import tempfile
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality import matcher
from jobs.quality.alternatives import find_alternatives, with_text_counts
from jobs.quality.checks import contradicted_facts
from jobs.quality.features import NAMES
from jobs.quality.matcher import Calibration, Matcher, Network
from jobs.quality.word_pairs import count_word_pairs, no_word_pairs
from jobs.quality.word_statistics import WordStatistics
from jobs.storage.layout import ATTRIBUTES_FILE, CALIBRATION_FILE, WORD_PAIRS_FILE, WORDS_FILE
from tests.quality.matchers import share_matcher, share_network

RED, BLUE = "Alderney Wool Sock, Red", "Alderney Wool Sock, Blue"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)  # a cleaned text has no surrogates


def test_the_probability_follows_the_network_and_the_calibration() -> None:
    half = share_matcher().match("red sock", "A sock.", ())
    assert half.probability == pytest.approx(0.5)
    assert share_matcher().match("red sock", "A red sock.", ()).probability == pytest.approx(1 / (1 + math.exp(-5)))


def test_the_missing_words_are_those_of_the_title_that_weigh_most() -> None:
    counted = WordStatistics()
    for _ in range(9):
        counted.add("Alderney wool sock, 10-inch", "Alderney socks. 10-inch.", ["Greyfell socks."])
    found = Matcher(counted.finish(), no_word_pairs(), {}, share_matcher().network, share_matcher().calibration)
    assert found.match("Alderney wool sock, 10-inch", "An inch of sock.", ()).missing == ("alderney", "10-inch", "wool")
    assert found.match("Inch sock", "A 10-inch thing.", ()).missing == ("sock",)
    assert len(found.match("one two three four five six seven", "", ()).missing) == matcher.WORDS_SHOWN


def test_only_alternatives_of_enough_strength_are_contradictions() -> None:
    table = find_alternatives([(RED, BLUE)])
    [strength] = {item.strength for row in table.values() for item in row.values()}
    for threshold, named in ((strength, ["blue"]), (strength + 1e-6, [])):
        calibration = Calibration(1.0, 0.0, 0.5, threshold, 100)
        found = Matcher(WordStatistics().finish(), no_word_pairs(), table, share_matcher().network, calibration)
        assert [item.other for item in found.match(RED, "A blue sock.", ()).contradictions] == named


@pytest.mark.parametrize(
    ("title", "text", "other"),
    [
        ("Nails, Box of 2", "A box of 1.", ["1"]),
        ("Nails, Box of 2,500", "A box of 1, with 2500 nails.", []),
        ("Nails, Box of 2", "A box of nails that are 1 1/2 inches long.", []),
    ],
)
def test_a_part_of_a_number_is_no_alternative(title: str, text: str, other: list[str]) -> None:
    table = find_alternatives([("Nails, Box of 2", "Nails, Box of 1")])
    found = replace(share_matcher(), alternatives=table, calibration=Calibration(1.0, 0.0, 0.5, 0.0, 100))
    assert [item.other for item in found.match(title, text, ()).contradictions] == other


@pytest.mark.parametrize(
    ("text", "neighbours", "other"),
    [
        ("A Greyfell sock.", ["By Greyfell."] * 8, ("alderney", "greyfell")),
        (
            "An Alderney sock, better than Greyfell's.",
            ["By Greyfell."] * 4 + ["By Dovetail."] * 4,
            ("alderney", "greyfell"),
        ),
        ("An Alderney sock of Greyfell wool.", ["Of Greyfell wool."] * 5 + ["By Dovetail."] * 3, None),
        ("A fine sock.", ["By Greyfell."] * 8, None),
    ],
)
def test_another_maker_than_that_of_the_title_and_of_most_neighbours_is_named(
    text: str, neighbours: list[str], other: tuple[str, str] | None
) -> None:
    counted = WordStatistics()
    for _ in range(3):
        counted.add("Greyfell lamp", "A Greyfell lamp.", [])
    found = replace(share_matcher(), statistics=counted.finish()).match(RED, text, (), neighbours)
    assert found.other_maker == other
    assert ("alderney", "greyfell") in contradicted_facts(RED, text, (), found) or other is None


def test_a_misspelt_word_of_the_title_is_a_contradiction() -> None:
    found = share_matcher().match(RED, "An Alderny wool sock, red.", ())
    assert contradicted_facts(RED, "An Alderny wool sock, red.", (), found) == [("alderney", "alderny")]


@given(st.floats(-1e6, 1e6), st.floats(-100, 100), st.floats(-100, 100))
def test_a_probability_is_a_fraction_for_any_logit(logit: float, slope: float, offset: float) -> None:
    found = matcher.probability(np.array([logit, logit + 1]), Calibration(slope, offset, 0.5, 0, 1))
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[1] - found[0]) * slope >= 0


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.integers(0, 2**32 - 1))
def test_a_saved_matcher_is_the_same_one(pairs: list[tuple[str, str]], seed: int) -> None:
    statistics = WordStatistics()
    for title, text in [*pairs, (RED, "A red sock.")]:
        statistics.add(title, text, [BLUE])
    table = find_alternatives([*pairs, (RED, BLUE)])
    table = with_text_counts(table, [(RED, BLUE)], pairs)
    draw = np.random.default_rng(seed)
    network = Network(*(draw.normal(size=shape) for shape in ((len(NAMES),), (len(NAMES),), (3, len(NAMES)), 3, 3, 1)))
    word_pairs = count_word_pairs(["A green sock, made of wool.", RED, *chain.from_iterable(pairs)])
    calibration = Calibration(1.5, -0.5, 0.25, 0.125, 9, 0.001)
    made = Matcher(statistics.finish(), word_pairs, table, network, calibration, {"legs": {"long": 30, "short": 10}})
    with tempfile.TemporaryDirectory() as folder:
        matcher.save(made, Path(folder))
        loaded = matcher.load(Path(folder))
    assert (loaded.alternatives, loaded.calibration) == (made.alternatives, made.calibration)
    assert loaded.statistics.products == statistics.products
    assert made.match(RED, "A green wool.", ()).unseen is not None
    for title, text in [*pairs, (RED, "A blue sock."), (RED, "A green wool."), (BLUE, "")]:
        assert loaded.match(title, text, [RED, title]) == made.match(title, text, [RED, title])
    assert loaded.match(RED, "Short legs.", (), ["Long legs."]).unlike_neighbours == ("short legs", "long legs")


def test_a_matcher_of_an_earlier_version_is_read_and_uses_its_own_features(tmp_path: Path) -> None:
    """The first version had 25 features, five counts by word, and neither word pairs nor attributes."""
    statistics = WordStatistics()
    statistics.add(RED, "A red sock by Alderney, of wool.", ["A blue sock by Greyfell."])
    network = share_network(features=25)
    made = Matcher(statistics.finish(), no_word_pairs(), {}, network, share_matcher().calibration)
    matcher.save(made, tmp_path)
    words = pq.read_table(tmp_path / WORDS_FILE)
    earlier = words.select(["word", "titles", "own", "other_titles", "others", "texts"])
    pq.write_table(earlier.replace_schema_metadata(words.schema.metadata), tmp_path / WORDS_FILE)
    (tmp_path / WORD_PAIRS_FILE).unlink()
    (tmp_path / ATTRIBUTES_FILE).unlink()
    calibration = json.loads((tmp_path / CALIBRATION_FILE).read_text())
    del calibration["unseen_from"]
    (tmp_path / CALIBRATION_FILE).write_text(json.dumps(calibration))
    loaded = matcher.load(tmp_path)
    assert loaded.match(RED, "Alderney by sock red a of wool.", [BLUE]).unseen is None
    for text in ("A red sock by Alderney, of wool.", "A blue sock by Greyfell."):
        found, expected = (one.match(RED, text, [BLUE]) for one in (loaded, made))
        assert (found.probability, found.missing) == (expected.probability, expected.missing)
        assert found.unexpected == ()


def test_a_matcher_without_a_test_product_is_not_calibrated() -> None:
    assert share_matcher().is_calibrated
    assert not share_matcher(products=0).is_calibrated
