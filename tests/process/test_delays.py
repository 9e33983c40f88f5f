"""Delays between attempts."""

import random
from itertools import islice

from jobs.process.delays import delays


def test_delays_double_up_to_the_maximum_and_are_shortened_by_up_to_a_half() -> None:
    for delay, longest in zip(delays(1.0, 5.0), (1, 2, 4, 5, 5), strict=False):
        assert longest / 2 <= delay <= longest


def test_delays_leave_the_random_state_of_a_training() -> None:
    before = random.getstate()
    assert len(set(islice(delays(1.0, 1.0), 9))) > 1
    assert random.getstate() == before
