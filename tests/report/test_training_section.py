"""The section on training shows the reference run only next to a run that can be compared with it."""

from dataclasses import replace

import pytest

from jobs.report.document import Charts, Table, Text
from jobs.report.epochs import REFERENCE_PARAMETERS, REFERENCE_TRAIN_ROWS, Epoch
from jobs.report.history import CatalogueSummary, History, TrainedShard
from jobs.report.sections import training


def run_of(parameters: int, *train_rows: int) -> History:
    shards = tuple(
        TrainedShard(
            number, tuple(Epoch(number, epoch, 3.0, 2.9, 0.2, 0.1, 0.2, 0.2) for epoch in (1, 2, 3)), rows, None, None, "2026-01-01"
        )
        for number, rows in enumerate(train_rows)
    )  # fmt: skip
    catalogue = CatalogueSummary("c", len(shards), {}, {})
    return History("r", {}, "m", {"parameters": parameters}, catalogue, shards, (), "", None, {})


@pytest.mark.parametrize(
    ("parameters", "train_rows", "shown"),
    [
        (REFERENCE_PARAMETERS, [REFERENCE_TRAIN_ROWS], True),
        (REFERENCE_PARAMETERS, [REFERENCE_TRAIN_ROWS, REFERENCE_TRAIN_ROWS, 7313], True),  # the rest of the catalogue
        (76_961_152, [REFERENCE_TRAIN_ROWS], False),
        (REFERENCE_PARAMETERS, [1900], False),
        (REFERENCE_PARAMETERS, [7313, REFERENCE_TRAIN_ROWS], False),
    ],
)
def test_the_reference_run_is_shown_if_model_and_shards_have_its_size(
    parameters: int, train_rows: list[int], shown: bool
) -> None:
    text, charts, epochs, _ = training.section(run_of(parameters, *train_rows)).blocks
    assert isinstance(text, Text)
    assert ("the reference run is shown in shards.csv only" in text.text) is not shown
    assert isinstance(charts, Charts)
    assert len(charts.charts) == 4
    assert {"Reference run" in chart.svg for chart in charts.charts} == {shown}
    assert isinstance(epochs, Table)
    assert len(epochs.columns) == (14 if shown else 8)
    assert {len(row) for row in epochs.rows} == {len(epochs.columns)}
    assert ("Reference run", 6) in epochs.groups or not shown


def test_the_shards_of_a_round_are_not_joined_and_have_the_figures_of_their_own_models() -> None:
    chain = run_of(76_961_152, 1900, 1900)
    for run, joined in ((chain, True), (replace(chain, config={"shards_at_once": 2}), False)):
        _, charts, epochs, _ = training.section(run).blocks
        assert isinstance(charts, Charts)
        assert all((">shards trained<" in chart.svg) is joined for chart in charts.charts)
        assert all(("fill: none; stroke: #0072b2" in chart.svg) is joined for chart in charts.charts)
        assert isinstance(epochs, Table)
        assert ("those of the shard's own model, before it is merged" in epochs.caption) is not joined
