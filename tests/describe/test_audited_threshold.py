"""The number of labels that a share needs to be certain is the smallest one with which its interval is."""

import pytest

from jobs.describe.audited_threshold import labels_to_be_certain
from jobs.quality.intervals import wilson


@pytest.mark.parametrize(
    ("share", "at_least"), [(1.0, 0.99), (1.0, 0.95), (0.97, 0.95), (0.93, 0.9), (0.81, 0.8), (0.6, 0.5)]
)
def test_the_lower_bound_reaches_the_demanded_share_from_this_number_of_labels_on(
    share: float, at_least: float
) -> None:
    needed = labels_to_be_certain(share, at_least)
    assert needed is not None
    assert wilson(share * needed, needed).low >= at_least > wilson(share * (needed - 1), needed - 1).low


@pytest.mark.parametrize("share", [0.95, 0.9504, 0.9])
def test_no_number_of_labels_makes_a_share_certain_that_does_not_exceed_the_demanded_one(share: float) -> None:
    assert labels_to_be_certain(share, 0.95) is None
