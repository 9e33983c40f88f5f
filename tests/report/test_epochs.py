"""The epochs of the reference run."""

from jobs.report.epochs import reference_run


def test_the_reference_run_has_ten_shards_of_three_epochs() -> None:
    positions = [(epoch.shard, epoch.epoch) for epoch in reference_run()]
    assert positions == [(shard, epoch) for shard in range(10) for epoch in (1, 2, 3)]


def test_a_figure_that_is_not_legible_is_none() -> None:
    epochs = reference_run()
    assert epochs[0].training_loss == 3.5787
    assert epochs[17].rougeL is None
    assert all(epoch.validation_loss is not None for epoch in epochs if (epoch.shard, epoch.epoch) != (5, 3))
