"""The figures of a matcher are shares of texts that can be counted by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.match.figures import CURVE_POINTS, area_under_curve, figures
from jobs.match.pairs import Pair
from jobs.quality.alternatives import find_alternatives
from jobs.quality.pair_kind import PairKind
from jobs.quality.word_pairs import count_word_pairs
from tests.quality.matchers import share_matcher

TITLE = "red wool sock, 10 cm"
RIGHT, HALF, WRONG = "A red sock of wool, 10 cm.", "A wool sock.", "A desk."
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def pairs(kind: PairKind, *texts: str) -> list[Pair]:
    return [Pair(kind, TITLE, text, ()) for text in texts]


def test_each_reason_is_counted_by_kind_of_text() -> None:
    made = share_matcher(find_alternatives([("red wool sock", "blue wool sock")]), publish_from=0.4)
    made = replace(
        made,
        attributes={"legs": {"long": 30, "short": 10}},
        word_pairs=count_word_pairs([RIGHT]),
        calibration=replace(made.calibration, unseen_from=0.05, support_from=0.1),
    )
    found = figures(
        made,
        pairs(PairKind.OWN, RIGHT, RIGHT, RIGHT, WRONG)
        + pairs(PairKind.NEAREST, WRONG, RIGHT)
        + pairs(PairKind.NEAR, HALF)
        + pairs(PairKind.RANDOM, WRONG, WRONG)
        + pairs(PairKind.BEGINNING, "A red")
        + pairs(PairKind.EXCHANGED, "A blue sock of wool, 10 cm.", "A red sock of wool, 12 cm.")
        + pairs(PairKind.REPLACED, WRONG)
        + pairs(PairKind.BESIDE, f"{RIGHT} Also blue.")
        + [Pair(PairKind.GUESSED, TITLE, f"{RIGHT} Long legs.", ("Sock",), ("Short legs.",))]
        + pairs(PairKind.ADDED, f"{RIGHT} Cures headaches and improves moods within days.")
        + pairs(PairKind.ECHOED, f"{TITLE}. {WRONG}")
        + pairs(PairKind.CUT, "A red wool, 10 cm.", "A red wool sock of 10 cm."),
    )
    assert found["texts"] == {
        "own": 4,
        "nearest": 2,
        "near": 1,
        "random": 2,
        "beginning": 1,
        "exchanged": 2,
        "replaced": 1,
        "beside": 1,
        "guessed": 1,
        "added": 1,
        "echoed": 1,
        "cut": 2,
    }
    assert found["flagged"] == {
        "own": {
            "off-title": 0.25,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 0.25,
        },
        "nearest": {
            "off-title": 0.5,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 0.5,
        },
        "near": {
            "off-title": 1.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 1.0,
            "unfinished": 0.0,
            "either": 1.0,
        },
        "random": {
            "off-title": 1.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 1.0,
        },
        "beginning": {
            "off-title": 1.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 1.0,
        },
        "exchanged": {
            "off-title": 0.0,
            "contradicts": 1.0,
            "invented": 0.5,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 1.0,
        },
        "replaced": {
            "off-title": 1.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 1.0,
        },
        "beside": {
            "off-title": 0.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 0.0,
        },
        "guessed": {
            "off-title": 0.0,
            "contradicts": 0.0,
            "invented": 1.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 1.0,
        },
        "added": {
            "off-title": 0.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 1.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 1.0,
        },
        "echoed": {
            "off-title": 0.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.0,
            "unfinished": 0.0,
            "either": 0.0,
        },
        "cut": {
            "off-title": 0.0,
            "contradicts": 0.0,
            "invented": 0.0,
            "unsupported": 0.0,
            "wording": 0.5,
            "unfinished": 0.0,
            "either": 0.5,
        },
    }
    assert found["auc"] == {
        "nearest": 0.625,
        "near": 0.75,
        "random": 0.875,
        "beginning": 0.75,
        "exchanged": 0.75,
        "replaced": 0.875,
        "beside": 0.375,
        "guessed": 0.375,
        "added": 0.375,
        "echoed": 0.375,
        "cut": 0.5625,
    }
    json.dumps(found, allow_nan=False)


def test_the_curves_are_of_own_and_nearest_texts() -> None:
    found = figures(share_matcher(), pairs(PairKind.OWN, RIGHT, RIGHT, RIGHT, HALF) + pairs(PairKind.NEAREST, WRONG))
    assert (found["roc"][0], found["roc"][-1]) == ([1, 1], [0, 0.75])
    assert len(found["roc"]) == CURVE_POINTS
    published = {row["publish_from"]: (row["published"], row["wrong"]) for row in found["coverage"]}
    assert (published[0.0], published[0.05]) == ((1.0, 0.5), (0.5, 0.0))
    assert published[0.9] == (0.375, 0.0)
    assert 1.0 not in published  # nothing is published from there


def test_reliability_weighs_own_and_hard_wrong_texts_equally() -> None:
    texts = pairs(PairKind.OWN, RIGHT, RIGHT) + pairs(PairKind.NEAREST, RIGHT, WRONG, WRONG, WRONG)
    low, high = figures(share_matcher(), texts + pairs(PairKind.RANDOM, WRONG, RIGHT))["reliability"]
    assert (low["texts"], low["own"], high["texts"], high["own"]) == (3, 0.0, 3, 0.8)
    assert low["probability"] == pytest.approx(0.0067, abs=1e-4)


@pytest.mark.parametrize("kinds", [[], ["own"], ["nearest"], ["own", "random"]])
def test_kinds_without_a_text_have_no_figures(kinds: list[str]) -> None:
    found = figures(share_matcher(), [pair for kind in kinds for pair in pairs(PairKind(kind), RIGHT)])
    assert {kind for kind, shares in found["flagged"].items() if shares["either"] is not None} == set(kinds)
    assert set(found["auc"]) == (set(kinds) - {"own"} if "own" in kinds else set())
    assert found["roc"] == found["coverage"] == []
    json.dumps(found, allow_nan=False)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_ordered_pairs(right: list[float], wrong: list[float]) -> None:
    above = sum((first > second) + (first == second) / 2 for first in right for second in wrong)
    expected = above / (len(right) * len(wrong))
    assert area_under_curve(np.array(right), np.array(wrong)) == pytest.approx(expected, abs=1e-4)
