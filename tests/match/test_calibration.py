"""Calibration makes a logit a probability, and sets the thresholds by the sellers' own texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.match.calibration import (
    CONTRADICTS_SHARE,
    ENOUGH,
    MAX_CLAUSES_SHARE,
    MAX_SHORT_SHARE,
    MAX_SUPPORT,
    MIN_RESTS,
    calibrate,
)
from jobs.match.pairs import Pair
from jobs.quality import matcher
from jobs.quality.alternatives import Table, find_alternatives, with_text_counts
from jobs.quality.matcher import Matcher
from jobs.quality.pair_kind import PairKind
from jobs.quality.word_pairs import WordPairs, count_word_pairs, no_word_pairs
from jobs.quality.word_statistics import WordStatistics
from tests.quality.matchers import share_network

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TITLE = " ".join(WORDS)


def pairs(kind: PairKind, shares: list[int]) -> list[Pair]:
    """Return pairs whose texts have this many tenths of the title's words."""
    return [Pair(kind, TITLE, " ".join(WORDS[:share]), ()) for share in shares]


def calibrated(
    test_pairs: list[Pair],
    hold_back: float = 0.1,
    scale: float = 10.0,
    alternatives: Table | None = None,
    word_pairs: WordPairs | None = None,
) -> Matcher:
    network = share_network(scale, -scale / 2)
    return calibrate(
        WordStatistics(products=100).finish(),
        word_pairs or no_word_pairs(),
        alternatives or {},
        network,
        test_pairs,
        hold_back,
    )


def probability_of(made: Matcher, share: int) -> float:
    return made.match(TITLE, " ".join(WORDS[:share]), ()).probability


def test_a_probability_is_the_share_of_own_texts_among_as_many_own_as_hard_wrong_ones() -> None:
    """Three of four own texts have 7 tenths of the words, and one of four wrong ones; there are twice as many wrong ones."""
    own = pairs(PairKind.OWN, [7] * 60 + [3] * 20)
    wrong = pairs(PairKind.NEAREST, [7] * 20 + [3] * 60) + pairs(PairKind.EXCHANGED, [7] * 20 + [3] * 60)
    for scale in (0.5, 10.0, 200.0):
        made = calibrated(own + wrong, scale=scale)
        assert probability_of(made, 7) == pytest.approx(0.75, abs=0.01)
        assert probability_of(made, 3) == pytest.approx(0.25, abs=0.01)
        assert made.calibration.products == 80


def test_an_alternative_beside_the_fact_is_a_contradiction_where_few_sellers_state_it() -> None:
    alternatives = find_alternatives([("Wool sock red", "Wool sock blue"), ("Linen sock red", "Linen sock blue")])

    def made(both: int) -> Matcher:
        """Return the matcher of a catalogue of which this many of 400 texts on red socks state blue too."""
        texts = ["A red and blue sock."] * both + ["A red sock."] * (400 - both)
        own = [("Wool sock red", text) for text in texts]
        test_pairs = [Pair(PairKind.OWN, title, text, ()) for title, text in own] + pairs(PairKind.NEAREST, [3] * 60)
        return calibrated(test_pairs, alternatives=with_text_counts(alternatives, own, []))

    for both, contradicts in ((0, True), (2, True), (20, False)):
        found = made(both).match("Wool sock red", "A red sock, also in blue.", ()).contradictions
        assert [(item.phrase, item.other) for item in found] == [("red", "blue")] * contradicts


@pytest.mark.parametrize(
    ("claim", "most"),
    [("Waterproof.", MAX_SHORT_SHARE), ("(with a lifetime warranty)", MAX_CLAUSES_SHARE)],
    ids=["sentences", "clauses"],
)
def test_short_sentences_and_clauses_need_support_where_most_sellers_give_it(claim: str, most: float) -> None:
    for unsupported in (0, round(100 * most), round(100 * most) + 1):
        own = [
            Pair(PairKind.OWN, TITLE, f"{TITLE}. {claim if number < unsupported else ''}", ()) for number in range(100)
        ]
        made = calibrated(own + pairs(PairKind.NEAREST, [3] * 60))
        is_reason = made.match(TITLE, f"{TITLE}. {claim}", ()).unsupported is not None
        assert is_reason == (unsupported <= 100 * most)


def test_random_texts_are_too_easy_to_calibrate_on() -> None:
    hard = pairs(PairKind.OWN, [7] * 60 + [3] * 20) + pairs(PairKind.NEAREST, [7] * 20 + [3] * 60)
    with_random = calibrated(hard + pairs(PairKind.RANDOM, [0] * 500))
    assert with_random.calibration == calibrated(hard).calibration


@pytest.mark.parametrize("scale", [1.0, 24.0, 1000.0])
def test_large_logits_with_a_pair_on_the_wrong_side_are_calibrated_like_others(scale: float) -> None:
    own, wrong = pairs(PairKind.OWN, [9] * 99 + [1]), pairs(PairKind.NEAREST, [1] * 99 + [9])
    made = calibrated(own + wrong, scale=scale)
    assert probability_of(made, 9) == pytest.approx(0.99, abs=0.005)
    assert probability_of(made, 1) == pytest.approx(0.01, abs=0.005)


def test_the_threshold_holds_back_the_chosen_share_of_own_texts() -> None:
    own, wrong = pairs(PairKind.OWN, [4] * 10 + [5, 6, 7] * 30), pairs(PairKind.NEAREST, [3, 4, 5, 6] * 25)
    made = calibrated(own + wrong, hold_back=0.1)
    below = [made.match(pair.title, pair.text, ()).probability < made.calibration.publish_from for pair in own]
    assert np.mean(below) == 0.1


def test_a_text_that_is_almost_certainly_right_is_published_even_if_most_own_texts_are_more_so() -> None:
    made = calibrated(pairs(PairKind.OWN, [9] * 100) + pairs(PairKind.NEAREST, [1] * 100))
    assert made.calibration.publish_from == ENOUGH
    assert probability_of(made, 9) > ENOUGH


def test_few_sellers_texts_contradict_their_title() -> None:
    table = find_alternatives([("red wool sock", "blue wool sock")])
    own = [Pair(PairKind.OWN, "red wool sock", text, ()) for text in ["a blue sock"] + ["a red sock"] * 199]
    wrong = [Pair(PairKind.NEAREST, "red wool sock", "a blue sock", ())] * 200
    [strict] = calibrated(own + wrong, alternatives=table).match("red wool sock", "a blue sock", ()).contradictions
    assert (strict.phrase, strict.other) == ("red", "blue")
    often = own[:1] * 200
    assert not calibrated(often + wrong, alternatives=table).match("red wool sock", "a blue sock", ()).contradictions
    assert CONTRADICTS_SHARE > 1 / 200


@given(
    st.lists(st.integers(0, 10), min_size=1, max_size=30), st.lists(st.integers(0, 10), max_size=30), st.floats(-99, 99)
)
def test_any_test_products_give_probabilities(own: list[int], nearest: list[int], scale: float) -> None:
    made = calibrated(pairs(PairKind.OWN, own) + pairs(PairKind.NEAREST, nearest), scale=scale)
    values = [probability_of(made, share) for share in range(11)]
    assert np.isfinite([made.calibration.slope, made.calibration.offset]).all()
    assert all(0 <= value <= 1 for value in values)
    assert 0 <= made.calibration.publish_from <= ENOUGH
    assert matcher.probability(np.zeros(1), made.calibration).shape == (1,)


USUAL, RARE, ODD = "a b c d", "a c", "b b"
WORDING = count_word_pairs([USUAL] * 50 + ["b e"] * 30)


def with_gaps(found: int, missed: int) -> Matcher:
    """Return a matcher that finds this many gaps. Of 101 own texts two have unseen words, and one has more surprising ones."""
    texts = [USUAL] * 98 + [RARE] * 2 + [ODD]
    own, cut = (
        [Pair(kind, "", text, ()) for text in chosen]
        for kind, chosen in ((PairKind.OWN, texts), (PairKind.CUT, [ODD] * found + [RARE] * missed))
    )
    return calibrated(own + cut, word_pairs=WORDING)


def test_one_in_a_hundred_own_texts_may_have_words_side_by_side_that_no_other_text_has() -> None:
    made = with_gaps(1, 3)
    expected = {text: found.expected for text in (RARE, ODD) if (found := WORDING.unseen_pair("", text))}
    assert expected[RARE] < made.calibration.unseen_from < expected[ODD]
    assert [made.match("", text, ()).unseen is not None for text in (USUAL, RARE, ODD)] == [False, False, True]


@pytest.mark.parametrize(("found", "missed"), [(1, 4), (0, 0)])
def test_wording_that_finds_too_few_gaps_is_no_reason(found: int, missed: int) -> None:
    assert with_gaps(found, missed).match("", ODD, ()).unseen is None


def test_the_rest_of_an_own_text_with_its_whole_title_gives_the_threshold_of_the_rest() -> None:
    """5 % of the rests have none of the title's words, the others half of them."""
    whole = f"{TITLE}. And so it has"
    low, high = f"{whole} a b c d.", f"{whole} {' '.join(WORDS[:5])}."
    plain = pairs(PairKind.OWN, [9] * 40) + pairs(PairKind.NEAREST, [1] * 99)
    with_titles = [Pair(PairKind.OWN, TITLE, text, ()) for text in [low] * 4 + [high] * 96]
    made = calibrated(plain + with_titles)
    assert 0 < made.calibration.rest_from <= made.calibration.publish_from
    assert made.match(TITLE, low, ()).unfit_rest is not None
    assert made.match(TITLE, high, ()).unfit_rest is None
    few = calibrated(plain + with_titles[: MIN_RESTS - 1])
    assert few.calibration.rest_from == 0
    assert few.match(TITLE, low, ()).unfit_rest is None


@pytest.mark.parametrize(("found", "is_reason"), [(1, True), (0, False)])
def test_a_sentence_with_less_support_than_nearly_all_own_ones_is_a_reason(found: int, is_reason: bool) -> None:
    """Of 200 own texts one has no support. Of 20 added sentences, `found` have none."""
    title, own, none = "a b c d e f", "a b c d e f.", "g h i j k l."
    texts = [Pair(PairKind.OWN, title, text, ()) for text in [own] * 199 + [none]]
    added = [Pair(PairKind.ADDED, title, text, ()) for text in [none] * found + [own] * (20 - found)]
    made = calibrated(texts + added)
    assert (made.match(title, none, ()).unsupported is not None) == is_reason
    assert made.match(title, own, ()).unsupported is None


def test_a_sentence_needs_no_more_support_than_a_maximum() -> None:
    """All own texts repeat words of their sources only, so that the quantile is 1."""
    title = "a b c d e f"
    own = [Pair(PairKind.OWN, title, f"{title}.", ())] * 100
    made = calibrated([*own, Pair(PairKind.ADDED, title, "g h i j k l.", ())])
    assert made.calibration.support_from == MAX_SUPPORT
    assert made.match(title, "a b c d e g.", ()).unsupported is None
