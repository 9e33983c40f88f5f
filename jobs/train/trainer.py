"""Train a model on one shard with `Seq2SeqTrainer`, so that a resumed training equals an uninterrupted one."""

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
from jobs.t5.loss import IGNORED, summed_loss
from jobs.train import checkpoint, throughput
from jobs.train.batches import collate
from jobs.train.checkpoint import Progress
from jobs.train.monitor import EpochEvaluator, TrainingMonitor
from jobs.train.optimizer import adamw, learning_rate_schedule
from jobs.train.shard_training import ShardTraining

TENSOR_CORE_MULTIPLE = 8
EXPECTED_UTILISATION = 0.3
"""Model FLOPs utilisation that the estimated time assumes."""

LAUNCH_SECONDS_PER_LAYER = 0.005
"""Time to launch the operations of a layer, forward and backward, and its share of the optimizer step. A small batch on a fast
GPU takes no less: 0.12 to 0.15 s per step of FLAN-T5-base's 24 layers, measured on an H100."""


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
    optimizer = adamw(model, training.recipe)
    checkpoint_folder = work / "checkpoint"
    restored = checkpoint.restore(training.location, model, optimizer, checkpoint_folder)
    progress = restored or Progress()
    set_random_states = (
        partial(checkpoint.restore_random, checkpoint_folder) if restored else partial(set_seed, training.seed)
    )
    steps = training.schedule.steps
    log.info(
        "resuming from checkpoint" if restored else "training started", shard=training.shard, device=training.device.name,
        gpu=training.device.gpu, step=progress.step, steps=len(steps), batches=sum(map(len, steps)),
        estimated_seconds=estimated_seconds(training, model, progress.step),
    )  # fmt: skip
    rows = [sum(map(len, step)) for step in steps]
    with (
        StallWatch(stop, f"the training of shard {training.shard}", training.stall_seconds) as watch,
        log.progress(f"train shard {training.shard}", sum(rows), "rows", done=sum(rows[: progress.step])) as bar,
    ):
        monitor = TrainingMonitor(
            training,
            model,
            optimizer,
            progress,
            evaluate,
            stop,
            set_random_states,
            lambda step: bar.advance(rows[step]),
            watch,
        )
        try:
            monitor.evaluate_finished_epoch()
            if progress.step < len(steps):
                _run_remaining_steps(training, model, optimizer, progress.step, monitor, work / "trainer")
        except torch.OutOfMemoryError as error:
            raise MemoryError(
                "out of GPU memory: lower --target-tokens-per-batch or --batch-rows and raise --gradient-accumulation by "
                "the same factor, or use a GPU with more memory"
            ) from error
    return progress


def estimated_seconds(training: ShardTraining, model: T5ForConditionalGeneration, done: int) -> int | None:
    """Return the time that the remaining steps take on a GPU of known speed, else None.

    On a CPU, `monitor` measures the first step; on any device, the progress has the time that is left.
    """
    peak = throughput.peak_operations(training.device.gpu)
    if peak is None:
        return None
    operations = training.recipe.epochs * throughput.training_operations(model.config, training.lengths)
    layers = len(model.encoder.block) + len(model.decoder.block)
    launching = sum(map(len, training.schedule.steps)) * layers * LAUNCH_SECONDS_PER_LAYER
    left = 1 - done / max(len(training.schedule.steps), 1)
    return round(left * max(operations / (peak * EXPECTED_UTILISATION), launching))


def _run_remaining_steps(
    training: ShardTraining,
    model: T5ForConditionalGeneration,
    optimizer: torch.optim.Optimizer,
    done: int,
    monitor: TrainingMonitor,
    folder: Path,
) -> None:
    uses_cache = model.config.use_cache
    trainer = ShardTrainer(training, model, optimizer, done, monitor, folder)
    trainer.remove_callback(PrinterCallback)  # it prints to stdout, which is for results
    trainer.train()
    model.config.use_cache = uses_cache  # Seq2SeqTrainer turned it off, and it is saved with the model


class ShardTrainer(Seq2SeqTrainer):
    """`Seq2SeqTrainer` for the remaining steps of all epochs, which it runs as one epoch.

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
        done: int,
        monitor: TrainingMonitor,
        folder: Path,
    ) -> None:
        on_gpu = training.device.gpu is not None
        arguments = Seq2SeqTrainingArguments(
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
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=training.examples,
            data_collator=partial(collate, multiple=TENSOR_CORE_MULTIPLE if on_gpu else 1),
            optimizers=(
                optimizer,
                learning_rate_schedule(optimizer, training.recipe, len(training.schedule.steps), done),
            ),
            callbacks=[monitor],
        )
        self.training, self.done, self.monitor = training, done, monitor
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
        self.monitor.add_loss(loss.detach())
        return torch.div(loss, num_items_in_batch)
