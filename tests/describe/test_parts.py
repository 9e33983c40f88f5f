"""The parts of a batch: none is too small to tell whether most of its texts are wrong, unless the batch or the setting is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.describe import parts
from jobs.quality.part_checks import MIN_PART_TEXTS
from jobs.storage.catalogue import Title


def sizes(titles: int, part_rows: int) -> list[int]:
    return [len(part) for part in parts.split([Title(str(row), "Lamp") for row in range(titles)], part_rows)]


@pytest.mark.parametrize(
    ("titles", "part_rows", "expected"),
    [
        (0, 2000, []),
        (7, 2000, [7]),
        (4000, 2000, [2000, 2000]),
        (4019, 2000, [2000, 2019]),
        (4020, 2000, [2000, 2000, 20]),
        (5, 2, [2, 2, 1]),
    ],
)
def test_a_last_part_that_would_be_too_small_is_added_to_the_one_before(
    titles: int, part_rows: int, expected: list[int]
) -> None:
    assert sizes(titles, part_rows) == expected


@given(st.integers(0, 200), st.integers(1, 60))
def test_every_title_is_in_one_part(titles: int, part_rows: int) -> None:
    found = sizes(titles, part_rows)
    assert sum(found) == titles
    assert all(size == part_rows for size in found[:-1])
    if part_rows >= MIN_PART_TEXTS <= titles:
        assert min(found) >= MIN_PART_TEXTS
