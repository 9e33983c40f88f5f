"""What happens between the steps of a training: progress is measured, epochs are evaluated, checkpoints are saved."""

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from jobs.process import log
from jobs.train import time_estimate
from jobs.train.checkpoint import Progress
from jobs.train.progress_meter import ProgressMeter
from jobs.train.shard_training import ShardTraining

CHECK_LOSS_EVERY_STEPS = 20

EpochEvaluator = Callable[[int, Progress, Callable[[], None]], dict[str, Any]]
"""`evaluate(epoch, progress, safe_point)` returns the record of a finished epoch. It calls `safe_point()` between its batches."""


class TrainingCallback(TrainerCallback):
    """The callback of the trainer. It counts the steps in `meter.progress`, and evaluates each epoch with `evaluate`.

    `set_random_states` is called before the first step, `on_step(step)` after each step with its number, from 0, and
    `safe_point` where the training can be interrupted.
    """

    def __init__(
        self,
        training: ShardTraining,
        meter: ProgressMeter,
        evaluate: EpochEvaluator,
        *,
        set_random_states: Callable[[], None],
        on_step: Callable[[int], None],
        safe_point: Callable[[], None],
    ) -> None:
        self._training, self._meter, self._evaluate = training, meter, evaluate
        self._set_random_states, self._on_step, self._safe_point = set_random_states, on_step, safe_point
        self._first_step, self._started = meter.progress.step, time.monotonic()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Set the random states before the first step: creating the data loader has drawn a number by then."""
        if state.global_step == 0:
            self._set_random_states()
            self._started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Count the step, evaluate the epoch if it ends here, and save a checkpoint if one is due."""
        progress = self._meter.progress
        self._on_step(progress.step)
        progress.step += 1
        is_first = progress.step == self._first_step + 1
        if is_first or progress.step % CHECK_LOSS_EVERY_STEPS == 0:
            self._meter.update()
        if is_first:
            self._log_first_step()
        self.evaluate_finished_epoch()
        self._safe_point()

    def evaluate_finished_epoch(self) -> None:
        """Evaluate the epoch that the last step ended, unless its record exists already."""
        progress = self._meter.progress
        epoch = len(progress.records)
        if progress.step not in self._training.schedule.epoch_ends[epoch : epoch + 1]:
            return
        with self._meter.evaluation():
            record = self._evaluate(epoch, progress, self._safe_point)
        self._meter.finish_epoch(record)

    def _log_first_step(self) -> None:
        seconds = time.monotonic() - self._started
        fields = {"shard": self._training.shard, "seconds": round(seconds, 2)}
        if self._training.device.gpu is None:  # on a GPU the first step also loads the kernels
            fields["estimated_seconds"] = time_estimate.from_first_step(self._training, self._first_step, seconds)
        log.info("first step finished", **fields)
