"""Shards at once against a chain: python -m tests.bench.bench_rounds [--rows N] [--input FILE] [--shards N] [--at-once K]

The jobs `prepare`, `fetch-model` and `train` train a tiny T5 on the same shards: in a chain, and K shards at once, whose models are
merged. Printed are the steps that one machine does after the other (`steps in a row`: in a chain all, with rounds those of the
longest shard of each), and the loss of the last model on products that no shard trains on, in nats per token. The baselines are the
chain and the chain's model after as many steps in a row.
"""

import argparse
import gzip
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from jobs.evaluate.losses import losses
from jobs.fetch_model import job as fetch_model
from jobs.fetch_model import settings as fetch_model_settings
from jobs.prepare import job as prepare
from jobs.prepare import settings as prepare_settings
from jobs.sample.rows import write_sample
from jobs.steps import rounds
from jobs.storage import catalogue, runs
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store
from jobs.t5 import models
from jobs.t5.prompt import prompt
from jobs.train import job as train
from jobs.train import settings as train_settings
from tests.bench.running import running_services

HELD_OUT, BATCH_ROWS, LEARNING_RATE, EPOCHS = 200, 16, 0.006, 3
MAX_TARGET_TOKENS = 128
KEPT = 0.9
"""A fraction of the rows that `prepare` keeps for certain, so that all shards that are trained have as many rows."""
DEFAULT = ",".join(
    str(train_settings.Settings.model_fields[name].default) for name in ("outer_learning_rate", "outer_momentum")
)
"""Learning rate and momentum of the outer optimizer."""


def main() -> None:
    """Run the trainings, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows",
        type=int,
        default=4000,
        help="number of rows, a fifth of which the base model is trained on (default 4000)",
    )
    parser.add_argument("--input", help="file of raw rows; default: generated products")
    parser.add_argument("--shards", type=int, default=8, help="number of shards (default 8)")
    parser.add_argument("--at-once", type=int, default=4, help="shards at once (default 4)")
    parser.add_argument(
        "--outer", nargs="*", default=[DEFAULT], metavar="RATE,MOMENTUM", help=f"outer optimizers (default {DEFAULT})"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with running_services() as work:
        store = _prepare(arguments.rows, arguments.input, arguments.shards, work)
        _compare(store, arguments.shards, arguments.at_once, arguments.outer, work)


def _prepare(rows: int, path: str | None, shards: int, work: Path) -> Store:
    """Make a catalogue, and a base model that is trained on other rows, as FLAN-T5 is."""
    store, lines = Store("s3://skuscribe/rounds"), _lines(rows, path, work)
    for name, part in (("first", lines[: rows // 5]), ("main", lines[rows // 5 :])):
        file = work / f"{name}.jsonl"
        file.write_bytes(b"\n".join(part))
        shard_rows = len(part) if name == "first" else int(KEPT * (len(part) - HELD_OUT)) // shards
        chosen = {
            "catalogue": name,
            "input": str(file),
            "shard_rows": shard_rows,
            "held_out_rows": HELD_OUT if name == "main" else 1,
        }
        prepare.run(prepare_settings.Settings.model_validate({"store": store.url, **chosen}))
    tiny = {"store": store.url, "source": "tiny", "model": "tiny", "catalogue": "main"}
    fetch_model.run(fetch_model_settings.Settings.model_validate(tiny))
    _train(store, run="first", catalogue="first", model="tiny")
    folder = runs.fetch_model(runs.trained_shard(store, "first", 0), work / "base")
    fetch_model.run(fetch_model_settings.Settings.model_validate({"store": store.url, "source": str(folder)}))
    return store


def _lines(rows: int, path: str | None, work: Path) -> list[bytes]:
    sample = Path(path) if path else work / "sample.jsonl.gz"
    if not path:
        write_sample(sample, rows, seed=5)
    with gzip.open(sample) as file:
        return [line.strip() for line in islice(file, rows)]


def _train(store: Store, **chosen: Any) -> None:
    settings = {
        "epochs": EPOCHS,
        "batch_rows": BATCH_ROWS,
        "learning_rate": LEARNING_RATE,
        "rouge_rows": 0,
        "max_target_tokens": MAX_TARGET_TOKENS,
    }
    train.run(train_settings.Settings.model_validate({"store": store.url, **settings, **chosen}))


def _compare(store: Store, shards: int, at_once: int, outer: list[str], work: Path) -> None:
    of_rounds = rounds(shards, at_once)
    print(f"{'':<52}{'steps in a row':>15}{'loss':>8}{'ratio':>8}")
    _train(store, run="chain", max_shards=shards)
    _print("the base model", 0, runs.base_model(store, "base"), store, work)
    baseline = _print(
        "chain, all shards",
        _steps(store, "chain", rounds(shards)),
        runs.trained_shard(store, "chain", shards - 1),
        store,
        work,
    )
    early = runs.trained_shard(store, "chain", len(of_rounds) - 1)
    _print(
        "chain, as many steps in a row", _steps(store, "chain", rounds(len(of_rounds))), early, store, work, baseline
    )
    for number, optimizer in enumerate(outer):
        learning_rate, momentum = map(float, optimizer.split(","))
        name = f"rounds-{number}"
        _train(
            store,
            run=name,
            max_shards=shards,
            shards_at_once=at_once,
            outer_learning_rate=learning_rate,
            outer_momentum=momentum,
        )
        config = runs.read_config(store, name)
        for shard in [shards_of[-1] for shards_of in of_rounds]:
            model = runs.model_after(store, name, config, shard)
            done = [shards_of for shards_of in of_rounds if shards_of[-1] <= shard]
            what = f"{at_once} at once, outer {learning_rate} and {momentum}, after shard {shard}"
            _print(what, _steps(store, name, done), model, store, work, baseline)


def _steps(store: Store, run: str, of_rounds: list[range]) -> int:
    """Return the steps that follow each other: those of the longest shard of each round."""
    return sum(
        max(runs.trained_shard(store, run, shard).manifest.figures["step"] for shard in shards) for shards in of_rounds
    )


def _print(what: str, steps: int, model: Artifact, store: Store, work: Path, baseline: float | None = None) -> float:
    """Print a row of the table. Returns the loss."""
    loss = _held_out_loss(model, store, work)
    ratio = f"{loss / baseline:.3f}x" if baseline else "-"
    print(f"{what:<52}{steps:>15,}{loss:>8.4f}{ratio:>8}", flush=True)
    return loss


def _held_out_loss(model: Artifact, store: Store, work: Path) -> float:
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = runs.fetch_model(model, Path(name))
        held_out = catalogue.require(store, "main").read_held_out(Path(name)).to_pylist()
        prompts, contents = [prompt(row["title"]) for row in held_out], [row["content"] for row in held_out]
        found = losses(
            models.load(folder),
            models.load_tokenizer(folder),
            prompts,
            contents,
            max_prompt_tokens=128,
            max_reference_tokens=MAX_TARGET_TOKENS,
        )
    return sum(found) / len(found)


if __name__ == "__main__":
    main()
