"""The table that `estimate` prints: a figure per line, and what it assumes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transformers import T5Config

from jobs.estimate.memory import FLOAT_BYTES, USABLE_FRACTION
from jobs.estimate.plan import ShardPlan, StepMemory
from jobs.estimate.rows import SampledRows
from jobs.process.durations import duration
from jobs.steps import rounds
from jobs.t5.models import expected_parameters
from jobs.train.gpus import Gpu
from jobs.train.recipes import Recipe
from jobs.train.time_estimate import EXPECTED_UTILISATION, LAUNCH_SECONDS_PER_LAYER
from jobs.train.training_run import RoundsConfig

CHECKPOINT_STATES_PER_WEIGHT = 3
"""Float32 numbers per weight in a checkpoint: the weight, and the two moments of AdamW."""

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class Line:
    """A line: the part of the training that it is about, a name, a figure with its unit, and what it assumes."""

    part: str
    name: str
    figure: str
    note: str = ""


def aligned(lines: Sequence[Line]) -> list[str]:
    """Return the lines as text in columns. A part is named on its first line only."""
    widths = [max(len(text) for text in column) for column in zip(*map(_cells, lines), strict=True)]
    texts = []
    for number, (part, name, figure) in enumerate(map(_cells, lines)):
        shown = "" if number and lines[number - 1].part == part else part
        texts.append(f"{shown:<{widths[0]}}  {name:<{widths[1]}}  {figure:>{widths[2]}}  {lines[number].note}".rstrip())
    return texts


def _cells(line: Line) -> tuple[str, str, str]:
    return line.part, line.name, line.figure


def catalogue_lines(name: str, products: int | None, shards: int, plans: Sequence[ShardPlan]) -> Iterator[Line]:
    """Yield the lines about the catalogue of this name. `products`: how many it has, None if not known; `shards`: all of them."""
    if products is not None:
        yield Line(
            "catalogue", "products", f"{products:,}", f"in catalogue {name!r}, held-out and test products included"
        )
    yield Line("catalogue", "shards to train", f"{len(plans):,}", f"of {shards:,}")
    yield Line("catalogue", "training rows", f"{sum(plan.rows for plan in plans):,}", "in these shards")


def training_lines(
    recipe: Recipe,
    plans: Sequence[ShardPlan],
    shard: int,
    sample: SampledRows,
    gpu: Gpu,
    *,
    retrieval: bool,
    rounds_config: RoundsConfig,
) -> Iterator[Line]:
    """Yield the lines about steps and time.

    `sample`: the tokenized rows of `shard`. `retrieval`: whether prompts have neighbours. `rounds_config`: how many shards are trained
    at once.
    """
    yield Line("training", "epochs per shard", f"{recipe.epochs:,}", f"recipe {recipe.name}: {_batches(recipe)}")
    by_rows = sorted(plans, key=lambda plan: plan.rows)
    tokenized = f"{len(sample.lengths.target):,} of the {sample.rows:,} training rows of shard {shard} tokenized"
    others = ", the rows of other shards assumed to be as long" if len(plans) > 1 else ""
    neighbours = ", random rows in place of neighbours" if retrieval else ""
    yield Line(
        "training",
        "optimizer steps",
        f"{sum(plan.steps for plan in plans):,}",
        f"{_range([f'{plan.steps:,}' for plan in by_rows])} per shard; {tokenized}{others}{neighbours}",
    )
    yield Line(
        "training",
        f"time on {gpu.name}",
        duration(_seconds(plans)),
        f"{_range([duration(plan.seconds) for plan in by_rows])} per shard; assumes {EXPECTED_UTILISATION:.0%} model FLOPs utilisation of "
        f"{gpu.peak_operations / 1e12:,.0f} TFLOPS, and at least {1000 * LAUNCH_SECONDS_PER_LAYER:.0f} ms per layer and batch; without "
        "validation, ROUGE and transfers",
    )
    machines = min(rounds_config.shards_at_once, len(plans))
    if machines > 1:
        seconds = [plan.seconds for plan in plans]
        longest = [max(seconds[shards.start : shards.stop]) for shards in rounds(len(plans), machines)]
        yield Line(
            "training",
            f"time on {machines:,} x {gpu.name}",
            duration(sum(longest)),
            f"{machines:,} shards at once: the longest shard of each round, without the merge of their models",
        )


def memory_lines(needed: StepMemory, fitting: Recipe | None, gpu: Gpu, config: T5Config) -> Iterator[Line]:
    """Yield the lines about the memory of the GPU. `fitting`: the recipe with smaller batches that fit if these do not, if there is one."""
    shape = needed.largest
    yield Line(
        "GPU memory",
        "weights, gradients, AdamW",
        size(needed.state),
        f"{expected_parameters(config):,} parameters in float32",
    )
    yield Line(
        "GPU memory",
        "activations",
        size(needed.activations),
        f"computed, not measured on a GPU: forward pass and loss in bf16 of the largest batch, {shape.rows:,} rows of {shape.source:,} source and {shape.target:,} target tokens",
    )
    room = f"{USABLE_FRACTION:.0%} of the {size(gpu.memory_bytes)} of {gpu.name}, the rest for CUDA, fragmentation and the error of this estimate"
    verdict = f"fits into {room}" if needed.fits(gpu) else f"does not fit into {room}: {_remedy(fitting)}"
    yield Line("GPU memory", "total", size(needed.total), verdict)


def storage_lines(config: T5Config, shards: int, rounds_config: RoundsConfig) -> Iterator[Line]:
    """Yield the lines about the files in S3. `rounds_config`: how the models of several shards are merged."""
    model = FLOAT_BYTES * expected_parameters(config)
    yield Line("storage in S3", "model of a shard", size(model), "float32 safetensors")
    yield Line("storage in S3", "models of all shards", size(shards * model), "all are kept")
    if rounds_config.shards_at_once > 1:
        merged, files = len(rounds(shards, rounds_config.shards_at_once)), 2 if rounds_config.outer_momentum else 1
        note = f"{merged:,} of them{', each with its momentum' if rounds_config.outer_momentum else ''}; all are kept"
        yield Line("storage in S3", "merged models", size(merged * files * model), note)
    yield Line(
        "storage in S3",
        "checkpoint",
        size(CHECKPOINT_STATES_PER_WEIGHT * model),
        "weights and AdamW state; two while one replaces another, none after the shard",
    )


def cost_lines(plans: Sequence[ShardPlan], gpu_hour_price: float) -> Iterator[Line]:
    """Yield the line about the cost, if there is a price."""
    if gpu_hour_price:
        hours = _seconds(plans) / 3600
        note = f"{hours:,.2f} GPU hours at {gpu_hour_price:,.2f}; the time above, without the start of nodes and pods"
        yield Line("cost", "training", f"{hours * gpu_hour_price:,.2f}", note)


def size(count: float) -> str:
    """Return a number of bytes in the largest decimal unit: `3.96 GB`."""
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if count >= scale), (1, "B"))
    return f"{count / scale:.3g} {unit}" if count < 1000 * scale else f"{count / scale:,.0f} {unit}"


def _batches(recipe: Recipe) -> str:
    limit = f"{recipe.batch_rows:,} rows" if recipe.batch_rows else f"{recipe.target_tokens_per_batch:,} target tokens"
    return f"{limit} per batch, gradient accumulation {recipe.gradient_accumulation:,}"


def _remedy(fitting: Recipe | None) -> str:
    if fitting is None:
        return "no smaller batches fit, use a GPU with more memory or a smaller model"
    batch = f"--batch-rows {fitting.batch_rows}"
    if fitting.target_tokens_per_batch:
        batch = f"--target-tokens-per-batch {fitting.target_tokens_per_batch}"
    return f"set {batch} --gradient-accumulation {fitting.gradient_accumulation}"


def _seconds(plans: Sequence[ShardPlan]) -> float:
    return sum(plan.seconds for plan in plans)


def _range(texts: Sequence[str]) -> str:
    """Return the first and the last text, or one if they are the same."""
    return " to ".join(dict.fromkeys((texts[0], texts[-1])))
