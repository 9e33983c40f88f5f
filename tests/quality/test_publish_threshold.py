"""The probability from which labelled texts are right often enough."""

import pytest

from jobs.quality.intervals import wilson
from jobs.quality.publish_threshold import MIN_LABELS, LabelledText, publish_threshold


def texts(probability: float, right: int, wrong: int, weight: float = 1.0) -> list[LabelledText]:
    return [LabelledText(probability, True, weight)] * right + [LabelledText(probability, False, weight)] * wrong


def test_the_lowest_probability_with_enough_right_texts_is_returned() -> None:
    found = publish_threshold([*texts(0.3, 0, 40), *texts(0.6, 40, 1), *texts(0.9, 40, 0)], 0.97)
    assert found is not None
    assert (found.probability, found.labels) == (0.6, 81)
    assert found.share == pytest.approx(80 / 81)


def test_with_enough_labels_the_lower_bound_has_to_reach_the_share() -> None:
    """Of 400 labels, 396 right are a share of 0.99 with a lower bound of 0.975; 381 of 381 have the bound 0.99."""
    certain = publish_threshold([*texts(0.5, 15, 4), *texts(0.9, 381, 0)], 0.99)
    assert certain is not None
    assert (certain.probability, certain.is_certain) == (0.9, True)
    assert certain.low == wilson(381, 381).low >= 0.99
    assert publish_threshold(texts(0.9, 396, 4), 0.99) is None


def test_with_fewer_labels_the_share_has_to_reach_it_and_that_is_said() -> None:
    found = publish_threshold(texts(0.9, 380, 0), 0.99)
    assert found is not None
    assert not found.is_certain
    assert found.low < 0.99 <= found.share


def test_a_few_labels_give_no_threshold() -> None:
    assert publish_threshold(texts(0.9, MIN_LABELS - 1, 0), 0.9) is None
    assert publish_threshold([], 0.9) is None


def test_a_few_heavy_labels_do_not_lower_the_threshold() -> None:
    """Of 100 published texts 90 are right. Two right texts that stand for many more make the share 0.96, of about 5 labels."""
    published = [*texts(0.9, 90, 10, weight=10.0)]
    assert publish_threshold(published, 0.95) is None
    assert (
        publish_threshold([*published, *texts(0.41, 1, 0, weight=900.0), *texts(0.4, 1, 0, weight=900.0)], 0.95) is None
    )


def test_a_label_counts_for_the_texts_that_it_represents() -> None:
    """Half of the labels are right, but they represent 99 times as many texts."""
    labelled = [*texts(0.9, 50, 0, weight=99.0), *texts(0.9, 0, 50, weight=1.0)]
    found = publish_threshold(labelled, 0.985)
    assert found is not None
    effective = 5000**2 / (50 * 99**2 + 50 * 1**2)
    assert found.share == pytest.approx(0.99)
    assert found.low == pytest.approx(wilson(0.99 * effective, effective).low)
    assert publish_threshold([*texts(0.9, 50, 0), *texts(0.9, 0, 50)], 0.985) is None


@pytest.mark.parametrize("at_least", [0.0, 1.0, -0.5, 99.0])
def test_a_share_outside_0_to_1_is_refused(at_least: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        publish_threshold([], at_least)
