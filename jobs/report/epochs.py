"""What each epoch of training reported: in this run, and in the reference run.

The reference run is the notebooks that this program replaces. They trained FLAN-T5-base on ten shards of three epochs each;
`reference_run.csv` has the figures that they printed.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

REFERENCE_PARAMETERS = 247_577_856
REFERENCE_TRAIN_ROWS = 19_000


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch on one shard; None is unknown.

    Losses in nats per token, ROUGE as F-measures from 0 to 1. Shards count from 0, epochs from 1.
    """

    shard: int
    epoch: int
    training_loss: float | None = None
    validation_loss: float | None = None
    rouge1: float | None = None
    rouge2: float | None = None
    rougeL: float | None = None  # noqa: N815  # the metric's name
    rougeLsum: float | None = None  # noqa: N815
    examples_per_second: float | None = None
    target_tokens_per_second: float | None = None
    padding_efficiency: float | None = None
    model_flops_utilisation: float | None = None
    seconds: float | None = None


def read_epochs(metrics_file: Path, shard: int) -> tuple[Epoch, ...]:
    """Return the epochs that a shard's metrics.jsonl records; figures that `Epoch` does not have are ignored."""
    known = {field.name for field in fields(Epoch)}
    records = [json.loads(line) for line in metrics_file.read_text(encoding="utf-8").splitlines() if line]
    return tuple(
        Epoch(**{name: value for name, value in record.items() if name in known} | {"shard": shard})
        for record in records
    )


def reference_run() -> tuple[Epoch, ...]:
    """Return the epochs of the reference run. A figure that is not legible in the notebooks is None."""
    text = resources.files("jobs.report").joinpath("reference_run.csv").read_text(encoding="utf-8")
    return tuple(_reference_epoch(row) for row in csv.DictReader(text.splitlines()))


def _reference_epoch(row: Mapping[str, str]) -> Epoch:
    figures = {name: float(value) if value else None for name, value in row.items() if name not in ("shard", "epoch")}
    return Epoch(int(row["shard"]) - 1, int(row["epoch"]), **figures)  # the file counts shards from 1
