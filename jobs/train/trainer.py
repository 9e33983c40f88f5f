"""Train one model on one shard with `Seq2SeqTrainer`, so that it can stop after any step and go on as if it had not.

The trainer is given the steps that are left, of all epochs, as one sequence; our optimizer, schedule and random states
come with them. Its own checkpoints, which are pickled, are not used.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.process import log
from jobs.process.errors import InputError
from jobs.process.lifecycle import Stop
from jobs.t5 import loss as lean_loss
from jobs.t5.loss import IGNORED
from jobs.train import batches
from jobs.train import checkpoint as training_state
from jobs.train.batches import Lengths, Plan
from jobs.train.checkpoint import Place, Progress
from jobs.train.recipes import Recipe

if TYPE_CHECKING:
    import datasets
    import torch
    from transformers import T5ForConditionalGeneration

CHECK_LOSS_EVERY_STEPS = 20

Measure = Callable[[int, Progress, Callable[[], None]], dict[str, Any]]
"""`measure(epoch, progress, safe_point)`: the record of a finished epoch; calls `safe_point()` between its batches."""


@dataclass(frozen=True)
class Device:
    """What a model is trained on. `bf16`: matrix products in bfloat16, weights and sums in float32; never float16."""

    name: str
    gpu: str | None
    bf16: bool


@dataclass(frozen=True)
class Course:
    """One shard's training: what is learnt, how, and where its states go.

    `limits`: pad every batch to so many (source, target) tokens, as a rival in a benchmark does; None: to its longest row.
    """

    shard: int
    examples: "datasets.Dataset"
    lengths: Lengths
    plan: Plan
    recipe: Recipe
    device: Device
    seed: int
    place: Place
    save_every_seconds: float
    limits: tuple[int, int] | None = None


def find_device() -> Device:
    """The GPU if there is one, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return Device("cpu", None, bf16=False)
    return Device("cuda", torch.cuda.get_device_name(0), torch.cuda.is_bf16_supported())


def train(course: Course, model: "T5ForConditionalGeneration", measure: Measure, stop: Stop, work: Path) -> Progress:
    """Train `model` in place, from its saved state if it has one, to the end of the last epoch. Returns its progress.

    Errors: `Interrupted` (143) after a signal, its state saved; `InputError` when the loss is a number no more;
    `MemoryError` when the GPU's memory is too small.
    """
    import torch

    model.to(torch.device(course.device.name))  # type: ignore[arg-type]  # its decorator hides self
    optimizer = _optimizer(model, course.recipe)
    restored = training_state.restore(course.place, model, optimizer, work / "state")
    progress = restored or Progress()
    if restored:
        log.info("going on from a saved state", shard=course.shard, step=progress.step, steps=len(course.plan.steps))

    def set_random_states() -> None:
        training_state.restore_random(work / "state") if restored else _seed(course.seed)

    rows = [sum(map(len, step)) for step in course.plan.steps]
    what = f"train shard {course.shard}"
    with log.progress(what, sum(rows), "rows", done=sum(rows[: progress.step])) as bar:
        driver = _Driver(course, model, optimizer, progress, measure, stop, lambda step: bar.advance(rows[step]))
        try:
            driver.finish_epoch_if_due()
            if progress.step < len(course.plan.steps):
                _run_trainer(course, model, optimizer, driver, set_random_states, work / "trainer")
        except torch.OutOfMemoryError as error:
            raise MemoryError(
                "out of GPU memory: lower --target-tokens-per-batch or --batch-rows and raise --gradient-accumulation by "
                "the same factor, or take a GPU with more memory"
            ) from error
    return progress


class _Driver:
    """Follows the steps: sums the loss, measures at the end of an epoch, saves the state when it is time."""

    def __init__(
        self,
        course: Course,
        model: "T5ForConditionalGeneration",
        optimizer: "torch.optim.Optimizer",
        progress: Progress,
        measure: Measure,
        stop: Stop,
        advance: Callable[[int], None],
    ) -> None:
        import torch

        self._course, self._model, self._optimizer, self._progress = course, model, optimizer, progress
        self._measure, self._stop, self._advance = measure, stop, advance
        self._loss_sum = torch.tensor(progress.loss_sum, dtype=torch.float64, device=course.device.name)
        self._saved_step, self._measuring = progress.step, False
        self._saved_at = self._clock = time.monotonic()

    def add_loss(self, nats: "torch.Tensor") -> None:
        """Count the loss of a batch, summed over its target tokens. It stays on its device: no step waits for it."""
        self._loss_sum += nats

    def step_done(self) -> None:
        """After each optimizer step."""
        self._advance(self._progress.step)
        self._progress.step += 1
        if self._progress.step % CHECK_LOSS_EVERY_STEPS == 0:
            self._read_sums()
        self.finish_epoch_if_due()
        self._safe_point()

    def finish_epoch_if_due(self) -> None:
        """Measure the epoch that the last step ended, unless its record is there already."""
        progress, epoch = self._progress, len(self._progress.records)
        if progress.step not in self._course.plan.epoch_ends[epoch : epoch + 1]:
            return
        self._read_sums()
        self._measuring = True
        record = self._measure(epoch, progress, self._safe_point)
        self._read_sums()
        self._measuring = False
        progress.records.append(record)
        progress.epoch_seconds = progress.loss_sum = 0.0
        self._loss_sum.zero_()

    def _safe_point(self) -> None:
        """No step is under way: save if it is time or a signal has come; in the latter case, end."""
        due = time.monotonic() - self._saved_at >= self._course.save_every_seconds
        if (due or self._stop.requested) and self._progress.step > self._saved_step:
            self._read_sums()
            training_state.save(self._course.place, self._progress, self._model, self._optimizer)
            log.info("state saved", shard=self._course.shard, step=self._progress.step)
            self._saved_step = self._progress.step
            self._clock = self._saved_at = time.monotonic()
        self._stop.check()

    def _read_sums(self) -> None:
        """Bring the clocks and the loss up to now. Errors: `InputError` where the loss is not finite."""
        progress, now = self._progress, time.monotonic()
        progress.loss_sum = float(self._loss_sum)
        if not np.isfinite(progress.loss_sum):
            raise InputError(
                f"the training loss of shard {self._course.shard} became {progress.loss_sum} by step {progress.step}: lower "
                "--learning-rate, or look into the rows of this shard"
            )
        progress.seconds += now - self._clock
        progress.epoch_seconds += 0.0 if self._measuring else now - self._clock
        self._clock = now


def _run_trainer(
    course: Course,
    model: "T5ForConditionalGeneration",
    optimizer: "torch.optim.Optimizer",
    driver: _Driver,
    set_random_states: Callable[[], None],
    folder: Path,
) -> None:
    """Run the steps that are left."""
    import torch
    from torch.utils.data import Dataset
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    done, uses_cache = driver._progress.step, model.config.use_cache
    left = [batch for step in course.plan.steps[done:] for batch in step]
    multiple = 8 if course.device.gpu else 1  # what tensor cores like

    full_model = model

    class Batches(Dataset[Any]):
        """Item i: the i-th batch that is left."""

        def __len__(self) -> int:
            return len(left)

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return batches.collate(course.examples, left[index], multiple, course.limits)

    class Follow(TrainerCallback):
        """Tells the driver of each step, and sets the random states before the first."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if state.global_step == 0:
                set_random_states()  # here, for making the data loader draws a number

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            driver.step_done()

    class Trainer(Seq2SeqTrainer):
        """Counts the loss per target token of the whole step, so that a batch weighs what it holds."""

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, torch.Tensor],
            return_outputs: bool = False,  # noqa: ARG002
            num_items_in_batch: Any = None,
        ) -> torch.Tensor:
            if course.recipe.lean_loss:
                with self.accelerator.autocast():
                    nats: torch.Tensor = lean_loss.summed_loss(full_model, inputs)
            else:
                nats = model(**inputs).loss * inputs["labels"].ne(IGNORED).sum()
            driver.add_loss(nats.detach())
            return torch.div(nats, num_items_in_batch)

    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=course.recipe.gradient_accumulation,
        train_sampling_strategy="sequential",
        max_grad_norm=course.recipe.max_gradient_norm,
        bf16=course.device.bf16,
        use_cpu=course.device.gpu is None,
        seed=course.seed,
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would wait for the GPU at every step
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=course.device.gpu is not None,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Batches(),
        data_collator=lambda items: items[0],
        optimizers=(optimizer, _schedule(optimizer, course.recipe, len(course.plan.steps), done)),
        callbacks=[Follow()],
    )
    trainer.model_accepts_loss_kwargs = True  # that is: count the target tokens of a step, and pass the number on
    _drop_printing(trainer)
    trainer.train()
    model.config.use_cache = uses_cache  # the trainer turned it off, and whoever loads the model would write slowly


def _drop_printing(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)  # it prints to stdout, which is for answers


def _optimizer(model: "T5ForConditionalGeneration", recipe: Recipe) -> "torch.optim.Optimizer":
    """AdamW (arXiv 1711.05101); norms, being vectors, do not decay."""
    import torch

    weights = list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=recipe.fused_adamw)


def _schedule(optimizer: "torch.optim.Optimizer", recipe: Recipe, steps: int, done: int) -> Any:
    """The learning rate of each step: up from 0 over the warm-up, then down to 0 in a line; as after `done` steps."""
    import torch

    warmup_steps = round(steps * recipe.warmup)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        return max(0.0, (steps - step) / max(1, steps - warmup_steps))

    for group in optimizer.param_groups:
        group["initial_lr"] = recipe.learning_rate
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor, last_epoch=done - 1)


def _seed(seed: int) -> None:
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
