"""The checker that settings describe."""

import pytest

from jobs.quality.checker import load_checker
from jobs.storage.store import Store
from tests.quality.matchers import commit_matcher, share_matcher


@pytest.mark.parametrize(("chosen", "used"), [(None, 0.5), (0.9, 0.9), (0.0, 0.0)])
def test_a_chosen_threshold_replaces_that_of_the_matcher(store: Store, chosen: float | None, used: float) -> None:
    matcher = commit_matcher(store, share_matcher(publish_from=0.5))
    assert load_checker(matcher, chosen, number_support=1).publish_from == used
