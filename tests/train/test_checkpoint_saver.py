"""A training without S3 continues without the checkpoint that is due, but does not end without it after a signal."""

import json
from unittest import mock

import pytest
import torch

from jobs.process.errors import NotReadyError
from jobs.process.lifecycle import Stop
from jobs.process.stall import StallWatch
from jobs.storage.store import Store
from jobs.train.checkpoint import Progress
from jobs.train.checkpoint_location import CheckpointLocation
from jobs.train.checkpoint_saver import CheckpointSaver
from jobs.train.progress_meter import ProgressMeter


def test_a_checkpoint_that_s3_does_not_take_is_saved_later(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    location, stop = CheckpointLocation(store, "runs/main/shard-00000", {}, {}), Stop()
    model = torch.nn.Linear(2, 1)
    meter = ProgressMeter(Progress(), "shard 0", "cpu")
    watch = StallWatch(stop, "the training of shard 0", limit_seconds=0)
    saver = CheckpointSaver(
        location, model, torch.optim.AdamW(model.parameters()), meter, stop, watch, save_every_seconds=0
    )
    saver.safe_point()
    assert not location.paths(), "there is no step to save"

    meter.progress.step = 1
    with mock.patch("jobs.train.checkpoint.save", side_effect=NotReadyError("S3 does not answer")):
        saver.safe_point()
        [event] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert (event["event"], event["step"]) == ("checkpoint not saved, training continues", 1)
        stop.requested = True
        with pytest.raises(NotReadyError, match="S3 does not answer"):
            saver.safe_point()

    stop.requested = False
    saver.safe_point()
    assert location.paths() == [location.at(1)]
