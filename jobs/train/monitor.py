"""Follow a training step by step: sum the loss, evaluate each epoch, save checkpoints, stop after a signal."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback

from jobs.process import log
from jobs.process.errors import InputError, NotReadyError
from jobs.process.lifecycle import Stop
from jobs.process.stall import StallWatch
from jobs.train import checkpoint
from jobs.train.checkpoint import Progress
from jobs.train.shard_training import ShardTraining

CHECK_LOSS_EVERY_STEPS = 20

EpochEvaluator = Callable[[int, Progress, Callable[[], None]], dict[str, Any]]
"""`evaluate(epoch, progress, safe_point)` returns the record of a finished epoch. It calls `safe_point()` between its batches."""


class TrainingMonitor(TrainerCallback):
    """A callback of the trainer, which also counts the loss that the trainer passes to `add_loss()`.

    `before_first_step` sets the random states. `on_step(step)` is called after each step with its number, from 0. `progress`
    is updated in place.
    """

    def __init__(
        self,
        training: ShardTraining,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        evaluate: EpochEvaluator,
        stop: Stop,
        before_first_step: Callable[[], None],
        on_step: Callable[[int], None],
        watch: StallWatch,
    ) -> None:
        self._training, self._model, self._optimizer, self._progress = training, model, optimizer, progress
        self._evaluate, self._stop, self._before_first_step, self._on_step = evaluate, stop, before_first_step, on_step
        self._loss_sum = torch.tensor(progress.loss_sum, dtype=torch.float64, device=training.device.name)
        self._saved_step, self._evaluating = progress.step, False
        self._saved_at = self._clock = self._started = time.monotonic()
        self._watch, self._first_step = watch, progress.step

    def add_loss(self, loss: torch.Tensor) -> None:
        """Add the loss of a batch, summed over its target tokens. The sum stays on the device, so that no step waits for it."""
        self._loss_sum += loss

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Set the random states before the first step: creating the data loader has drawn a number by then."""
        if state.global_step == 0:
            self._before_first_step()
            self._started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Count the step, evaluate the epoch if it ends here, and save a checkpoint if one is due."""
        self._on_step(self._progress.step)
        self._progress.step += 1
        if self._progress.step % CHECK_LOSS_EVERY_STEPS == 0 or self._progress.step == self._first_step + 1:
            self._update_progress()
        if self._progress.step == self._first_step + 1:
            self._log_first_step()
        self.evaluate_finished_epoch()
        self._safe_point()

    def evaluate_finished_epoch(self) -> None:
        """Evaluate the epoch that the last step ended, unless its record exists already."""
        progress, epoch = self._progress, len(self._progress.records)
        if progress.step not in self._training.schedule.epoch_ends[epoch : epoch + 1]:
            return
        self._update_progress()
        self._evaluating = True
        record = self._evaluate(epoch, progress, self._safe_point)
        self._update_progress()
        self._evaluating = False
        progress.records.append(record)
        progress.epoch_seconds = progress.loss_sum = 0.0
        self._loss_sum.zero_()

    def _log_first_step(self) -> None:
        """Log the time of the first step and, on a CPU, the time of the others if they are as fast. Tokens weigh the steps.

        On a GPU the first step also loads the kernels, so it says nothing about the others.
        """
        seconds = time.monotonic() - self._started
        if self._training.device.gpu is not None:
            log.info("first step finished", shard=self._training.shard, seconds=round(seconds, 2))
            return
        tokens = [
            sum(int(self._training.lengths.target[rows].sum()) for rows in step)
            for step in self._training.schedule.steps
        ]
        left = sum(tokens[self._first_step + 1 :]) / max(tokens[self._first_step], 1)
        log.info(
            "first step finished",
            shard=self._training.shard,
            seconds=round(seconds, 2),
            estimated_seconds=round(left * seconds),
        )

    def _safe_point(self) -> None:
        """Save a checkpoint if one is due or a signal has arrived; after a signal, raise `Interrupted`. Not within a step.

        If S3 does not answer, training goes on without the checkpoint that is due.
        """
        self._watch.progress()
        due = time.monotonic() - self._saved_at >= self._training.save_every_seconds
        if (due or self._stop.requested) and self._progress.step > self._saved_step:
            self._update_progress()
            try:
                checkpoint.save(self._training.location, self._progress, self._model, self._optimizer)
                self._saved_step = self._progress.step
            except NotReadyError as error:
                if self._stop.requested:
                    raise
                log.warning("checkpoint not saved, training continues", step=self._progress.step, error=str(error))
            self._clock = self._saved_at = time.monotonic()
            self._watch.progress()
        self._stop.check()

    def _update_progress(self) -> None:
        """Bring loss and seconds of `progress` up to date. Errors: `InputError` (65) if the loss is NaN or infinite."""
        progress, now = self._progress, time.monotonic()
        progress.loss_sum = float(self._loss_sum)
        if not math.isfinite(progress.loss_sum):
            raise InputError(
                f"the training loss of shard {self._training.shard} is {progress.loss_sum} at step {progress.step}, expected a finite "
                "number: lower --learning-rate, or check the rows of this shard"
            )
        progress.seconds += now - self._clock
        progress.epoch_seconds += 0.0 if self._evaluating else now - self._clock
        self._clock = now
