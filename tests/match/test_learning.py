"""A matcher learnt from the generated sample tells right texts from wrong ones, and says which words are wrong."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.match.calibration import ENOUGH
from jobs.match.figures import area_under_curve, figures
from jobs.match.learning import MIN_PRODUCTS, MIN_TEST_PRODUCTS, learn, measured_pairs
from jobs.match.pairs import pairs
from jobs.match.products import LearningProduct
from jobs.quality import matcher
from jobs.quality.matcher import Matcher
from jobs.quality.pair_kind import PairKind
from tests.match.products import learning_products

HOLD_BACK = 0.08


@pytest.fixture(scope="module")
def products() -> Sequence[LearningProduct]:
    return learning_products(MIN_PRODUCTS + MIN_TEST_PRODUCTS + 60, seed=7)


@pytest.fixture(scope="module")
def learnt(products: Sequence[LearningProduct]) -> Matcher:
    return learn(products[:MIN_PRODUCTS], products[MIN_PRODUCTS:-60], HOLD_BACK, seed=13)


def test_a_text_about_its_product_is_more_probable_than_one_about_another(
    learnt: Matcher, products: Sequence[LearningProduct]
) -> None:
    unseen = products[-60:]
    found = figures(learnt, measured_pairs(unseen, unseen, learnt.alternatives, seed=5))
    assert found["auc"]["random"] > 0.95
    assert found["auc"]["nearest"] > 0.7
    assert found["flagged"]["own"]["off-title"] < 0.35 < found["flagged"]["random"]["off-title"]
    assert found["texts"]["own"] == 60
    assert found["coverage"][0]["published"] == 1
    assert sum(row["texts"] for row in found["reliability"]) <= sum(found["texts"].values())


def test_an_exchanged_fact_is_named(learnt: Matcher, products: Sequence[LearningProduct]) -> None:
    exchanged = [
        pair for pair in pairs(products[-60:], products, learnt.alternatives, 3) if pair.kind == PairKind.EXCHANGED
    ]
    assert len(exchanged) > 20
    matches = [learnt.match(pair.title, pair.text, pair.neighbour_titles) for pair in exchanged]
    caught = [bool(match.contradictions) or match.probability < learnt.calibration.publish_from for match in matches]
    assert np.mean(caught) > 0.6
    named = next(match.contradictions[0] for match in matches if match.contradictions)
    assert named.phrase != named.other
    assert named.phrase in named.example.casefold()
    assert named.other in named.example_other.casefold()


def test_a_saved_matcher_gives_the_same_probabilities(
    learnt: Matcher, products: Sequence[LearningProduct], tmp_path: Path
) -> None:
    matcher.save(learnt, tmp_path)
    loaded = matcher.load(tmp_path)
    assert loaded.calibration == learnt.calibration
    assert loaded.alternatives == learnt.alternatives
    for product in products[-20:]:
        pair = (product.title, product.text, product.other_titles)
        assert loaded.match(*pair) == learnt.match(*pair)


def test_the_same_products_and_seed_give_the_same_files(
    learnt: Matcher, products: Sequence[LearningProduct], tmp_path: Path
) -> None:
    again = learn(products[:MIN_PRODUCTS], products[MIN_PRODUCTS:-60], HOLD_BACK, seed=13)
    for name, made in (("first", learnt), ("second", again)):
        (tmp_path / name).mkdir()
        matcher.save(made, tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


def test_at_most_the_chosen_share_of_the_sellers_test_texts_is_below_the_threshold(
    learnt: Matcher, products: Sequence[LearningProduct]
) -> None:
    testing = products[MIN_PRODUCTS:-60]
    below = [
        learnt.match(product.title, product.text, product.other_titles).probability < learnt.calibration.publish_from
        for product in testing
    ]
    assert np.mean(below) <= HOLD_BACK
    assert learnt.calibration.publish_from <= ENOUGH
    assert learnt.calibration.products == len(testing)


@pytest.mark.parametrize(("training", "testing"), [(MIN_PRODUCTS - 1, 60), (MIN_PRODUCTS, MIN_TEST_PRODUCTS - 1)])
def test_too_few_products_are_not_calibrated(products: Sequence[LearningProduct], training: int, testing: int) -> None:
    few = learn(products[:training], products[-testing:], HOLD_BACK, seed=13)
    assert not few.is_calibrated
    assert few.alternatives


def test_products_without_neighbours_have_no_texts_of_near_products(products: Sequence[LearningProduct]) -> None:
    lonely = [replace(product, other_titles=(), other_texts=()) for product in products[:5]]
    expected = {PairKind.OWN, PairKind.RANDOM, PairKind.BEGINNING, PairKind.REPLACED}
    assert {pair.kind for pair in pairs(lonely, products, {}, 1)} <= expected


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert area_under_curve(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1
    assert area_under_curve(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.5
    assert area_under_curve(np.array([0.0]), np.array([1.0])) == 0
