"""Figures as they are written in the report."""

import pytest

from jobs.report.wording import counted, counted_range, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"), (0.0004, "0.1 %"), (0.012, "1.2 %"), (0.0994, "9.9 %"), (0.0995, "10 %"), (0.5, "50 %"), (0.9, "90 %"),
        (0.952, "95.2 %"), (0.995, "99.5 %"), (0.9996, "99.9 %"), (1, "100 %"),
    ],
)  # fmt: skip
def test_only_none_is_0_percent_and_only_all_is_100_percent(value: float, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 shards"), (1, "1 shard"), (2, "2 shards"), (2000, "2,000 shards")])
def test_a_noun_agrees_with_its_number(number: int, text: str) -> None:
    assert counted(number, "shard") == text


@pytest.mark.parametrize(
    ("numbers", "text"), [([1], "1 question"), ([200, 200], "200 questions"), ([200, 25], "25 to 200 questions")]
)
def test_different_numbers_are_written_as_a_range(numbers: list[int], text: str) -> None:
    assert counted_range(numbers, "question") == text
