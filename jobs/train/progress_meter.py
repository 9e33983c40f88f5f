"""Measure the progress of a training: its loss, its time and its epochs."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from jobs.process.errors import InputError
from jobs.train.checkpoint import Progress


class ProgressMeter:
    """Updates `progress` in place. Training time counts from the creation of the meter.

    `where` names the training in an error. `device`: torch's name of the device that the losses are on.
    """

    def __init__(self, progress: Progress, where: str, device: str) -> None:
        self.progress, self._where = progress, where
        self._loss_sum = torch.tensor(progress.loss_sum, dtype=torch.float64, device=device)
        self._updated_at, self._evaluating = time.monotonic(), False

    def add_loss(self, loss: torch.Tensor) -> None:
        """Add the loss of a batch, summed over its target tokens. The sum stays on the device, so that no step waits for it."""
        self._loss_sum += loss

    def update(self) -> None:
        """Bring loss and seconds of `progress` up to date. Errors: `InputError` (65) if the loss is NaN or infinite."""
        progress, now = self.progress, time.monotonic()
        progress.loss_sum = float(self._loss_sum)
        if not math.isfinite(progress.loss_sum):
            raise InputError(
                f"the training loss of {self._where} is {progress.loss_sum} at step {progress.step}, expected a finite "
                "number: lower --learning-rate, or check the rows of this shard"
            )
        progress.seconds += now - self._updated_at
        progress.epoch_seconds += 0.0 if self._evaluating else now - self._updated_at
        self._updated_at = now

    def leave_out_time(self) -> None:
        """Leave the time since the last update out of the training time."""
        self._updated_at = time.monotonic()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Count the time of the block in the total time, not in that of the epoch."""
        self.update()
        self._evaluating = True
        yield
        self.update()
        self._evaluating = False

    def finish_epoch(self, record: dict[str, Any]) -> None:
        """Add the record of the epoch that ends here, and start the next one."""
        self.progress.records.append(record)
        self.progress.epoch_seconds = self.progress.loss_sum = 0.0
        self._loss_sum.zero_()
