"""Decide when a checkpoint is saved: at an interval, and after a signal."""

import time

import torch

from jobs.process import log
from jobs.process.errors import NotReadyError
from jobs.process.lifecycle import Stop
from jobs.process.stall import StallWatch
from jobs.train import checkpoint
from jobs.train.checkpoint_location import CheckpointLocation
from jobs.train.progress_meter import ProgressMeter


class CheckpointSaver:
    """Saves the checkpoints of a training and ends it after a signal, both only at its safe points."""

    def __init__(
        self,
        location: CheckpointLocation,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        meter: ProgressMeter,
        stop: Stop,
        watch: StallWatch,
        *,
        save_every_seconds: float,
    ) -> None:
        self._location, self._model, self._optimizer, self._meter = location, model, optimizer, meter
        self._stop, self._watch, self._save_every_seconds = stop, watch, save_every_seconds
        self._saved_step, self._saved_at = meter.progress.step, time.monotonic()

    def safe_point(self) -> None:
        """Save a checkpoint if one is due or a signal has arrived; after a signal, raise `Interrupted`. Not within a step."""
        self._watch.progress()
        if self._is_due():
            self._meter.update()
            self._save()
            self._saved_at = time.monotonic()
            self._meter.leave_out_time()
            self._watch.progress()
        self._stop.check()

    def _is_due(self) -> bool:
        has_new_steps = self._meter.progress.step > self._saved_step
        return has_new_steps and (self._stop.requested or time.monotonic() - self._saved_at >= self._save_every_seconds)

    def _save(self) -> None:
        """Save a checkpoint. If S3 does not answer, the training continues without it, unless a signal has arrived."""
        progress = self._meter.progress
        try:
            checkpoint.save(self._location, progress, self._model, self._optimizer)
            self._saved_step = progress.step
        except NotReadyError as error:
            if self._stop.requested:
                raise
            log.warning("checkpoint not saved, training continues", step=progress.step, error=str(error))
