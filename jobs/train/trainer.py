"""Train a model on one shard with `Seq2SeqTrainer`, so that a resumed training equals an uninterrupted one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import (
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5ForConditionalGeneration,
    set_seed,
)

from jobs.process import log
from jobs.process.lifecycle import Stop
from jobs.process.stall import StallWatch
from jobs.t5 import fused
from jobs.t5.batches import collate
from jobs.t5.loss import IGNORED, summed_loss
from jobs.train import checkpoint, time_estimate
from jobs.train.callback import EpochEvaluator, TrainingCallback
from jobs.train.checkpoint import Progress
from jobs.train.checkpoint_saver import CheckpointSaver
from jobs.train.optimizer import adamw, learning_rate_schedule
from jobs.train.progress_meter import ProgressMeter
from jobs.train.shard_training import ShardTraining

TENSOR_CORE_MULTIPLE = 8


def train(
    training: ShardTraining, model: T5ForConditionalGeneration, evaluate: EpochEvaluator, stop: Stop, work: Path
) -> Progress:
    """Train `model` in place, from its checkpoint if there is one, to the end of the last epoch. Returns its progress.

    On a GPU its layers are replaced with those of `jobs.t5.fused`. `work` is a folder for temporary files. Errors:
    `Interrupted` (143) after a signal, with a checkpoint saved; `InputError` (65) if the loss is NaN or infinite;
    `MemoryError` (137) if the GPU is out of memory.
    """
    if training.device.gpu is not None:
        fused.fuse(model)
    model.to(torch.device(training.device.name))  # type: ignore[arg-type]  # a decorator hides self
    uses_cache = model.config.use_cache  # Seq2SeqTrainer turns it off, and it is saved with the model
    optimizer = adamw(model, training.recipe)
    progress, set_random_states = _restore_or_start(training, model, optimizer, work / "checkpoint")
    rows = [sum(map(len, step)) for step in training.schedule.steps]
    name = f"shard {training.shard}"
    with (
        StallWatch(stop, f"the training of {name}", training.stall_seconds) as watch,
        log.progress(f"train {name}", sum(rows), "rows", done=sum(rows[: progress.step])) as bar,
    ):
        meter = ProgressMeter(progress, name, training.device.name)
        saver = CheckpointSaver(
            training.location, model, optimizer, meter, stop, watch, save_every_seconds=training.save_every_seconds
        )
        callback = TrainingCallback(
            training,
            meter,
            evaluate,
            set_random_states=set_random_states,
            on_step=lambda step: bar.advance(rows[step]),
            safe_point=saver.safe_point,
        )
        try:
            callback.evaluate_finished_epoch()
            if progress.step < len(rows):
                ShardTrainer(training, model, optimizer, meter, callback, work / "trainer").train()
                model.config.use_cache = uses_cache
        except torch.OutOfMemoryError as error:
            raise MemoryError(
                "out of GPU memory: use a GPU with more memory. Or start another --run with a lower --target-tokens-per-batch or "
                "--batch-rows and --gradient-accumulation raised by the same factor, as `skuscribe estimate` suggests: the batches of a "
                "run cannot change"
            ) from error
    return progress


def _restore_or_start(
    training: ShardTraining, model: T5ForConditionalGeneration, optimizer: torch.optim.Optimizer, folder: Path
) -> tuple[Progress, Callable[[], None]]:
    """Restore the checkpoint if there is one. Returns the progress, and what sets the random states of the next step."""
    restored = checkpoint.restore(training.location, model, optimizer, folder)
    progress, steps = restored or Progress(), training.schedule.steps
    log.info(
        "resuming from checkpoint" if restored else "training started", shard=training.shard, device=training.device.name,
        gpu=training.device.gpu, step=progress.step, steps=len(steps), batches=sum(map(len, steps)),
        estimated_seconds=time_estimate.from_operations(training, model, progress.step),
    )  # fmt: skip
    return progress, partial(checkpoint.restore_random, folder) if restored else partial(set_seed, training.seed)


class ShardTrainer(Seq2SeqTrainer):
    """`Seq2SeqTrainer` for the steps after those of `meter.progress`, of all epochs, which it runs as one epoch.

    It contributes mixed precision, gradient accumulation, gradient clipping and the order of optimizer and schedule. Batches,
    loss, optimizer and schedule are ours. Its own checkpoints are not used: they are pickled, and they are local folders
    without digests.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        training: ShardTraining,
        model: T5ForConditionalGeneration,
        optimizer: torch.optim.Optimizer,
        meter: ProgressMeter,
        callback: TrainingCallback,
        folder: Path,
    ) -> None:
        self.training, self.meter, self.done = training, meter, meter.progress.step
        on_gpu = training.device.gpu is not None
        steps = len(training.schedule.steps)
        super().__init__(
            model=model,
            args=_arguments(training, folder),
            train_dataset=training.examples,
            data_collator=partial(collate, multiple=TENSOR_CORE_MULTIPLE if on_gpu else 1),
            optimizers=(optimizer, learning_rate_schedule(optimizer, training.recipe, steps, self.done)),
            callbacks=[callback],
        )
        self.remove_callback(PrinterCallback)  # it prints to stdout, which is for results
        self.model_accepts_loss_kwargs = True  # makes it count the target tokens of a step for compute_loss()

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the batches that remain."""
        batches = [rows.tolist() for rows in self.training.schedule.batches_after(self.done)]
        loader: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(
                self.training.examples,
                batch_sampler=batches,
                collate_fn=self.data_collator,
                pin_memory=self.args.dataloader_pin_memory,
            )
        )
        return loader

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,  # noqa: ARG002 - part of the signature
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        """Return the loss of a batch divided by the target tokens of the whole step, so that each token has equal weight."""
        if self.training.recipe.lean_loss:
            with self.accelerator.autocast():
                loss: torch.Tensor = summed_loss(self.model, inputs)  # type: ignore[arg-type]  # the T5 of __init__
        else:
            loss = model(**inputs).loss * inputs["labels"].ne(IGNORED).sum()
        self.meter.add_loss(loss.detach())
        return torch.div(loss, num_items_in_batch)


def _arguments(training: ShardTraining, folder: Path) -> Seq2SeqTrainingArguments:
    on_gpu = training.device.gpu is not None
    return Seq2SeqTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=training.recipe.gradient_accumulation,
        max_grad_norm=training.recipe.max_gradient_norm,
        bf16=training.device.bf16,
        use_cpu=not on_gpu,
        seed=training.seed,
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would wait for the GPU at every step
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
    )
