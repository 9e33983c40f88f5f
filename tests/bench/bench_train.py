"""Throughput of training against two baselines: python -m tests.bench.bench_train [--rows N] [--input FILE] [--tokenizer FOLDER]

The same tiny T5 is trained on the same rows with the same seed and epochs: with recipe `fast`, with recipe `reference`, and with
`reference` padded to 128 source and 512 target tokens, one after another in one process. Seconds are those of training steps;
evaluation is not included.
`fast` makes fewer and larger steps. The time until it reaches the final loss of `reference` is therefore measured in a second
training with more epochs. The padded baseline makes the same steps as `reference`, more slowly.
"""

import argparse
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from jobs.process import lifecycle
from jobs.storage.store import Store
from jobs.t5 import models, tiny
from jobs.t5.batches import collate
from jobs.t5.loss import IGNORED
from jobs.t5.prompt import prompt
from jobs.train.batches import BatchSchedule, batch_schedule, lengths_of, tokenize
from jobs.train.checkpoint import Progress
from jobs.train.checkpoint_location import CheckpointLocation
from jobs.train.device import select_device
from jobs.train.recipes import FAST, REFERENCE, Recipe
from jobs.train.shard_training import ShardTraining
from jobs.train.trainer import train
from jobs.train.validation import ValidationRows, mean_loss
from tests.bench.running import running_services
from tests.factories import product

EVALUATIONS_PER_EPOCH = 4
LONGER_FACTOR = 3  # times as many epochs, in which `fast` reaches the final loss of `reference`
FAST_NAME, LONGER_NAME = "fast", "fast, more epochs"
REFERENCE_NAME, PADDED_NAME = "reference", "reference, padded to 128/512"
GOALS = {REFERENCE_NAME: 3.0, PADDED_NAME: 8.0}


@dataclass(frozen=True)
class Result:
    """A training. `curve`: pairs of training seconds so far and validation loss; the last one is that of the last step."""

    name: str
    examples_per_second: float
    curve: tuple[tuple[float, float], ...]

    def seconds_to(self, loss: float) -> float | None:
        """Training seconds until the validation loss is at most `loss`, or None if it never is."""
        return next((seconds for seconds, reached in self.curve if reached <= loss), None)


def main() -> None:
    """Run the trainings, and print the table."""
    arguments = _arguments()
    with running_services() as work:
        results = _compare(arguments, work)
    _print(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400, help="number of training rows (default 400)")
    parser.add_argument("--epochs", type=int, default=2, help="number of epochs (default 2)")
    parser.add_argument(
        "--input", type=Path, help="JSON Lines with title and content, gzipped or not; default: generated rows"
    )
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer; default: trained on the rows")
    parser.add_argument("--width", type=int, default=64, help="d_model of the model (default 64)")
    parser.add_argument("--layers", type=int, default=2, help="number of layers (default 2)")
    parser.add_argument("--only", nargs="*", default=[], help="names of the trainings to run; default: all")
    return parser.parse_args()


def _compare(arguments: argparse.Namespace, work: Path) -> list[Result]:
    titles, contents = _rows(arguments.input, arguments.rows + arguments.rows // 10)
    tokenizer_folder = arguments.tokenizer or work / "tokenizer"
    if not arguments.tokenizer:
        tiny.train_tokenizer([*titles, *contents], tokenizer_folder, 2000)
    tiny.build(work / "model", tokenizer_folder, arguments.width, arguments.layers, seed=13)
    store, results = Store("s3://skuscribe/bench"), []
    for name, recipe, collator in (
        (FAST_NAME, FAST, collate),
        (LONGER_NAME, replace(FAST, epochs=FAST.epochs * LONGER_FACTOR), collate),
        (REFERENCE_NAME, REFERENCE, collate),
        (PADDED_NAME, REFERENCE, _collate_to_limits),
    ):
        if arguments.only and name not in arguments.only:
            continue
        chosen = replace(recipe, epochs=arguments.epochs * recipe.epochs // FAST.epochs)
        with mock.patch("jobs.train.trainer.collate", collator):
            results.append(_train(name, chosen, arguments.rows, titles, contents, store, work))
    return results


def _collate_to_limits(rows: Sequence[Mapping[str, Sequence[int]]], multiple: int) -> dict[str, torch.Tensor]:
    """As `collate`, with each row padded to the maximum lengths of the recipe."""
    widths = {"input_ids": REFERENCE.max_source_tokens, "labels": REFERENCE.max_target_tokens}
    padding = {"input_ids": 0, "attention_mask": 0, "labels": IGNORED}
    return {
        name: torch.nn.functional.pad(
            tensor, (0, widths.get(name, REFERENCE.max_source_tokens) - tensor.shape[1]), value=padding[name]
        )
        for name, tensor in collate(rows, multiple).items()
    }


def _rows(path: Path | None, count: int) -> tuple[list[str], list[str]]:
    if path is None:
        products = [product(number, "train") for number in range(count)]
        return [made.title for made in products], [made.content for made in products]
    data = path.read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode().split("\n")
    rows = [row for row in map(json.loads, filter(None, lines)) if row["title"].strip() and row["content"].strip()]
    return [row["title"] for row in rows[:count]], [row["content"] for row in rows[:count]]


def _train(
    name: str, recipe: Recipe, rows: int, titles: Sequence[str], contents: Sequence[str], store: Store, work: Path
) -> Result:
    """Train on the first `rows` rows, and compute the loss on the others several times per epoch."""
    model, tokenizer = models.load(work / "model"), models.load_tokenizer(work / "model")
    models.set_threads(model)
    limits = (recipe.max_source_tokens, recipe.max_target_tokens)
    prompts = [prompt(title) for title in titles]
    examples = tokenize(tokenizer, prompts[:rows], contents[:rows], *limits)
    test = tokenize(tokenizer, prompts[rows:], contents[rows:], *limits)
    lengths, validation, device = lengths_of(examples), ValidationRows(test), select_device()
    schedule = _with_more_evaluations(batch_schedule(lengths, recipe, seed=13))
    location = CheckpointLocation(store, name.replace(" ", "-"), {}, {})
    training = ShardTraining(
        shard=0,
        examples=examples,
        lengths=lengths,
        schedule=schedule,
        recipe=recipe,
        seed=13,
        device=device,
        location=location,
        save_every_seconds=1e9,
    )
    curve: list[tuple[float, float]] = []

    def evaluate(_epoch: int, progress: Progress, safe_point: Callable[[], None]) -> dict[str, Any]:
        before = curve[-1][0] if curve else 0.0
        loss = mean_loss(model, validation, device, safe_point)
        curve.append((before + progress.epoch_seconds, float("inf") if loss is None else loss))
        return {}

    with lifecycle.deferred() as stop:
        train(training, model, evaluate, stop, work / name)
    return Result(name, rows * recipe.epochs / curve[-1][0], tuple(curve))


def _with_more_evaluations(schedule: BatchSchedule) -> BatchSchedule:
    """Return the same steps, with an end of an epoch, and so an evaluation, several times per epoch."""
    parts = EVALUATIONS_PER_EPOCH * len(schedule.epoch_ends)
    ends = sorted({max(1, len(schedule.steps) * part // parts) for part in range(1, parts + 1)})
    return BatchSchedule(schedule.steps, tuple(ends))


def _print(results: list[Result]) -> None:
    by_name = {result.name: result for result in results}
    reference = by_name.get(REFERENCE_NAME)
    target = reference.curve[-1][1] if reference else None
    fast_seconds = by_name[LONGER_NAME].seconds_to(target) if target is not None and LONGER_NAME in by_name else None
    print(
        f"{'training':<30} {'examples/s':>10} {'fast is':>8} {'goal':>6} {'final loss':>12} {'s to reference loss':>20} "
        f"{'fast is':>8}"
    )
    for result in results:
        ratio = "-"
        if FAST_NAME in by_name:
            ratio = f"{by_name[FAST_NAME].examples_per_second / result.examples_per_second:.1f}x"
        seconds = result.seconds_to(target) if target is not None else None
        sooner = f"{seconds / fast_seconds:.1f}x" if seconds and fast_seconds else "-"
        goal = f"{GOALS[result.name]:.0f}x" if result.name in GOALS else "-"
        print(
            f"{result.name:<30} {result.examples_per_second:>10.1f} {ratio:>8} {goal:>6} {result.curve[-1][1]:>12.4f} "
            f"{'-' if seconds is None else f'{seconds:.1f}':>20} {sooner:>8}"
        )


if __name__ == "__main__":
    main()
