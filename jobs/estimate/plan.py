"""What a training would do: the steps and the time of each shard, the memory of its largest batch, and smaller batches that fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import T5Config

from jobs.estimate import memory
from jobs.estimate.memory import BatchShape
from jobs.estimate.rows import resized
from jobs.train import time_estimate
from jobs.train.batches import Lengths, batch_schedule
from jobs.train.gpus import Gpu
from jobs.train.recipes import Recipe
from jobs.train.settings import MAX_GRADIENT_ACCUMULATION, MIN_TARGET_TOKENS_PER_BATCH
from jobs.train.trainer import TENSOR_CORE_MULTIPLE


@dataclass(frozen=True)
class ShardPlan:
    """The training of one shard: its training rows, optimizer steps of all epochs, and the seconds that these take on the GPU."""

    rows: int
    steps: int
    seconds: float


@dataclass(frozen=True)
class StepMemory:
    """The GPU memory of a step, in bytes: weights, gradients and AdamW state, and the activations of the largest batch."""

    state: int
    activations: int
    largest: BatchShape

    @property
    def total(self) -> int:
        """All of it."""
        return self.state + self.activations

    def fits(self, gpu: Gpu) -> bool:
        """Return whether a GPU has room for it."""
        return self.total <= memory.USABLE_FRACTION * gpu.memory_bytes


def shard_plans(
    lengths: Lengths, shard_rows: Sequence[int], config: T5Config, recipe: Recipe, gpu: Gpu, seed: int
) -> list[ShardPlan]:
    """Return the training of each shard, whose rows have the lengths of a sample. `shard_rows`: its training rows.

    Errors: those of `batch_schedule`.
    """
    by_rows = {rows: _shard_plan(resized(lengths, rows, seed), config, recipe, gpu, seed) for rows in set(shard_rows)}
    return [by_rows[rows] for rows in shard_rows]


def _shard_plan(lengths: Lengths, config: T5Config, recipe: Recipe, gpu: Gpu, seed: int) -> ShardPlan:
    schedule = batch_schedule(lengths, recipe, seed)
    seconds = time_estimate.of_schedule(schedule, lengths, config, recipe.epochs, gpu.peak_operations)
    return ShardPlan(len(lengths.target), len(schedule.steps), seconds)


def step_memory(lengths: Lengths, config: T5Config, recipe: Recipe, seed: int) -> StepMemory:
    """Return the memory of a step with the largest batch of a shard whose rows have these lengths."""
    shapes = memory.largest_batches(batch_schedule(lengths, recipe, seed), lengths, TENSOR_CORE_MULTIPLE)
    sizes = [(memory.activations(config, shape, lean_loss=recipe.lean_loss).most, shape) for shape in shapes]
    activations, largest = max(sizes, key=lambda size: size[0])
    return StepMemory(memory.state_bytes(config), activations, largest)


def fitting_recipe(lengths: Lengths, config: T5Config, recipe: Recipe, gpu: Gpu, seed: int) -> Recipe | None:
    """Return the recipe with the largest batches that fit into a GPU, of a half, a quarter and so on, or None if none does.

    As many more batches per optimizer step keep the step as large as before.
    """
    if memory.state_bytes(config) > memory.USABLE_FRACTION * gpu.memory_bytes:
        return None
    smaller = _halved(recipe, len(lengths.target))
    while smaller is not None and not step_memory(lengths, config, smaller, seed).fits(gpu):
        smaller = _halved(smaller, len(lengths.target))
    return smaller


def _halved(recipe: Recipe, rows: int) -> Recipe | None:
    """Return the recipe with half as large batches, and twice as many per optimizer step; None if these limits do not allow it.

    `rows`: training rows of a shard, of which a step needs at least one per batch.
    """
    accumulation = 2 * recipe.gradient_accumulation
    tokens, batch_rows = recipe.target_tokens_per_batch // 2, recipe.batch_rows // 2
    is_too_small = tokens < MIN_TARGET_TOKENS_PER_BATCH if recipe.target_tokens_per_batch else batch_rows < 1
    if is_too_small or accumulation > min(rows, MAX_GRADIENT_ACCUMULATION):
        return None
    return replace(recipe, target_tokens_per_batch=tokens, batch_rows=batch_rows, gradient_accumulation=accumulation)
