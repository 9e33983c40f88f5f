"""Training, beside its rivals: python -m tests.bench.bench_train [--rows N] [--input FILE] [--tokenizer FOLDER]

The same tiny T5, rows, seed and epochs for recipe `fast`, recipe `reference`, and `reference` padded to 128/512 tokens, one
after another in one process. Seconds are those of the training steps: measuring the loss is left out of all of them.
`fast` makes fewer and larger steps of the same rows: how soon it has the loss that `reference` ends with is seen in a training
of its own, with more epochs, up to where it has it. The padded rival makes the steps of `reference`, more slowly.
"""

import argparse
import gzip
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.local import services
from jobs.process import lifecycle
from jobs.storage.store import Store
from jobs.t5 import models, tiny
from jobs.t5.prompt import prompt
from jobs.train import batches, validation
from jobs.train import trainer as training
from jobs.train.batches import Lengths, Plan
from jobs.train.checkpoint import Place, Progress
from jobs.train.recipes import FAST, REFERENCE, Recipe
from jobs.train.trainer import Course
from tests.factories import product

LOOKS_PER_EPOCH = 4
PATIENCE = 3  # times as many epochs, for `fast` to have the loss that `reference` ends with
LONGER = "fast, up to that loss"
GOALS = {"reference": 3.0, "reference, padded to 128/512": 8.0}


@dataclass(frozen=True)
class Result:
    """What one rival did. `curve`: (seconds of training so far, validation loss), ends with the last step."""

    name: str
    examples_per_second: float
    curve: tuple[tuple[float, float], ...]

    def seconds_to(self, loss: float) -> float | None:
        """Seconds until the validation loss was first this low; None where it never was."""
        return next((seconds for seconds, seen in self.curve if seen <= loss), None)


def main() -> None:
    """Run the rivals and print the table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        services.start(work / "services")
        try:
            os.environ |= services.read_environment(work / "services")
            results = _compare(arguments, work)
        finally:
            services.stop(work / "services")
    _print(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400, help="training rows (default 400)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs (default 2)")
    parser.add_argument(
        "--input", type=Path, help="JSON Lines, gzipped or not, with title and content; default: made up"
    )
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer's folder; default: learnt from the rows")
    parser.add_argument("--width", type=int, default=64, help="the model's width (default 64)")
    parser.add_argument("--layers", type=int, default=2, help="its layers (default 2)")
    parser.add_argument("--only", nargs="*", default=[], help="run these rivals alone")
    return parser.parse_args()


def _compare(arguments: argparse.Namespace, work: Path) -> list[Result]:
    titles, contents = _rows(arguments.input, arguments.rows + arguments.rows // 10)
    vocabulary = arguments.tokenizer or work / "tokenizer"
    if not arguments.tokenizer:
        tiny.train_tokenizer([*titles, *contents], vocabulary, 2000)
    tiny.build(work / "model", vocabulary, arguments.width, arguments.layers, seed=13)
    rivals = (
        ("fast", FAST, None),
        (LONGER, FAST, None),
        ("reference", REFERENCE, None),
        ("reference, padded to 128/512", REFERENCE, (REFERENCE.max_source_tokens, REFERENCE.max_target_tokens)),
    )
    store, results = Store("s3://skuscribe/bench"), []
    for name, recipe, limits in rivals:
        if arguments.only and name not in arguments.only:
            continue
        chosen = replace(recipe, epochs=arguments.epochs * (PATIENCE if name == LONGER else 1))
        results.append(_train(name, chosen, limits, arguments.rows, titles, contents, store, work))
    return results


def _rows(path: Path | None, count: int) -> tuple[list[str], list[str]]:
    if path is None:
        made = [product(number, "train") for number in range(count)]
        return [item.title for item in made], [item.content for item in made]
    data = path.read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode().split("\n")
    rows = [row for row in map(json.loads, filter(None, lines)) if row["title"].strip() and row["content"].strip()][
        :count
    ]
    return [row["title"] for row in rows], [row["content"] for row in rows]


def _train(
    name: str,
    recipe: Recipe,
    limits: tuple[int, int] | None,
    rows: int,
    titles: Sequence[str],
    contents: Sequence[str],
    store: Store,
    work: Path,
) -> Result:
    """Train one rival on the first `rows` rows, and look at the loss on the others several times an epoch."""
    model, tokenizer = models.load(work / "model"), models.load_tokenizer(work / "model")
    cut = (recipe.max_source_tokens, recipe.max_target_tokens)
    prompts = [prompt(title) for title in titles]
    examples = batches.tokenise(tokenizer, prompts[:rows], contents[:rows], *cut)
    test = batches.tokenise(tokenizer, prompts[rows:], contents[rows:], *cut)
    lengths, test_lengths, device = batches.lengths_of(examples), batches.lengths_of(test), training.find_device()
    plan = batches.plan(lengths, recipe, seed=13)
    place = Place(store, name.replace(" ", "-"), {}, {})
    course = Course(0, examples, lengths, _with_looks(plan), recipe, device, 13, place, 1e9, limits)
    curve: list[tuple[float, float]] = []

    def look(_epoch: int, progress: Progress, safe_point: Any) -> dict[str, Any]:
        before = curve[-1][0] if curve else 0.0
        curve.append((before + progress.epoch_seconds, _loss(model, test, test_lengths, device, safe_point)))
        return {}

    with lifecycle.deferred() as stop:
        training.train(course, model, look, stop, work / name)
    return Result(name, rows * recipe.epochs / curve[-1][0], tuple(curve))


def _loss(model: Any, test: Any, lengths: Lengths, device: Any, safe_point: Any) -> float:
    found = validation.loss(model, test, lengths, device, safe_point)
    return float("inf") if found is None else found


def _with_looks(plan: Plan) -> Plan:
    """The same steps, with several measurements an epoch."""
    parts = LOOKS_PER_EPOCH * len(plan.epoch_ends)
    ends = sorted({max(1, len(plan.steps) * part // parts) for part in range(1, parts + 1)})
    return Plan(plan.steps, tuple(ends))


def _print(results: list[Result]) -> None:
    by_name = {result.name: result for result in results}
    reference = by_name.get("reference")
    target = reference.curve[-1][1] if reference else None
    own_seconds = by_name[LONGER].seconds_to(target) if target is not None and LONGER in by_name else None
    print(
        f"{'rival':<30} {'examples/s':>10} {'fast is':>8} {'goal':>6} {'loss at end':>12} {'s to reference loss':>20} {'fast is':>8}"
    )
    for result in results:
        ratio = f"{by_name['fast'].examples_per_second / result.examples_per_second:.1f}x" if "fast" in by_name else "-"
        seconds = result.seconds_to(target) if target is not None else None
        sooner = f"{seconds / own_seconds:.1f}x" if seconds and own_seconds else "-"
        goal = f"{GOALS[result.name]:.0f}x" if result.name in GOALS else "-"
        print(
            f"{result.name:<30} {result.examples_per_second:>10.1f} {ratio:>8} {goal:>6} {result.curve[-1][1]:>12.4f} "
            f"{'-' if seconds is None else f'{seconds:.1f}':>20} {sooner:>8}"
        )


if __name__ == "__main__":
    main()
