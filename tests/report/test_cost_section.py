"""The section on speed and cost says which time is counted."""

from dataclasses import replace

import pytest

from jobs.report.cards import cards
from jobs.report.document import Table, Text
from jobs.report.history import CatalogueSummary, History, TrainedShard
from jobs.report.sections import cost

SHARD = TrainedShard(0, (), 100, None, 3600.0, "2026-01-01")
RUN = History("r", {}, "m", {}, CatalogueSummary("c", 1, {}, {}), (SHARD,), (), "", None, {})


@pytest.mark.parametrize("price", [0.0, 2.5])
def test_the_text_says_what_is_counted_and_what_is_not(price: float) -> None:
    texts = [block.text for block in cost.section(RUN, price).blocks if isinstance(block, Text)]
    counted, not_counted = texts[0].split("The times exclude")
    for word in ("training include its steps", "validation", "generation", "scoring"):
        assert word in counted
    for word in (
        "checkpoints",
        "upload",
        "loading of models and rows",
        "the other jobs",
        "pod start-up",
        "image pulls",
        "idle nodes",
    ):
        assert word in not_counted


def test_the_cost_is_not_called_the_cost_of_the_machine() -> None:
    blocks = cost.section(RUN, 2.5).blocks
    assert isinstance(blocks[1], Table)
    assert blocks[1].caption == "Counted time and cost"
    assert isinstance(blocks[-1], Text)
    assert blocks[-1].text == "Cost is the counted time at $2.50 per hour; the machine costs more."


@pytest.mark.parametrize(
    ("price", "detail"),
    [
        (0.0, "steps and validation; set --gpu-hour-price for the cost"),
        (2.5, "1 h 0 min of steps and validation at $2.50 per hour"),
    ],
)
def test_the_card_says_that_the_time_is_of_steps_and_validation(price: float, detail: str) -> None:
    assert [card.detail for card in cards(RUN, price)] == [detail]
    several = replace(RUN, config={"shards_at_once": 2})
    of_all = detail.replace("validation", "validation of all shards")
    assert [card.detail for card in cards(several, price)] == [of_all]
