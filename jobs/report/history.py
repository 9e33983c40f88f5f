"""The history of a run: what its artifacts say about the catalogue, the training, the evaluation and the batch.

Reads manifests first (`find`), files only when they are needed (`read`): whether a report is up to date is answered
without a download.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.quality.metrics import Interval
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

EVALUATION_KIND, EXPORT_KIND = "evaluation", "export"
ANSWERS_FILE, SCORES_FILE = "answers.parquet", "scores.json"
HELD_OUT, OWN_SHARD, FIRST_SHARD = "held-out", "own-shard", "first-shard"
READERS, BATCH_PARTS = 8, 5
BATCH_SCORES = ("grounding", "repetition", "copying")
_SHARD_FOLDER = re.compile(r"shard-\d{5}")


@dataclass(frozen=True)
class Epoch:
    """What one epoch on one shard reported. Losses in nats a token, ROUGE as F-measures from 0 to 1; None is unknown."""

    shard: int
    epoch: int
    training_loss: float | None = None
    validation_loss: float | None = None
    rouge1: float | None = None
    rouge2: float | None = None
    rougeL: float | None = None  # noqa: N815  # the name of the field
    rougeLsum: float | None = None  # noqa: N815
    examples_per_second: float | None = None
    target_tokens_per_second: float | None = None
    padding_efficiency: float | None = None
    model_flops_utilisation: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class TrainedShard:
    """One shard's training. `seconds` is the time of all its epochs; `committed` an ISO date and time."""

    number: int
    epochs: tuple[Epoch, ...]
    train_rows: int | None
    test_rows: int | None
    gpu: str | None
    seconds: float | None
    committed: str


@dataclass(frozen=True)
class Group:
    """The scores of one group of questions, by name: loss, rouge1, ..., repetition, flagged."""

    questions: int
    scores: Mapping[str, Interval]


@dataclass(frozen=True)
class Stage:
    """One model's answers to the fixed questions. `answers` has the columns of the stage's answers.parquet."""

    name: str
    shard: int | None
    retrieval: bool
    groups: Mapping[str, Group]
    baselines: Mapping[str, Mapping[str, Interval]]
    answers: "pa.Table"
    seconds: float | None


@dataclass(frozen=True)
class Data:
    """The catalogue: the figures of its manifest, and its statistics.json."""

    name: str
    shards: int
    figures: Mapping[str, Any]
    statistics: Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """All that a report tells. `batch_scores`: how many descriptions were read, and the means of their scores, 0..1."""

    run: str
    configuration: Mapping[str, Any]
    model: str
    model_figures: Mapping[str, Any]
    data: Data
    shards: tuple[TrainedShard, ...]
    stages: tuple[Stage, ...]
    batch: str
    batch_figures: Mapping[str, Any] | None
    batch_scores: Mapping[str, float]
    reference: tuple[Epoch, ...]


@dataclass(frozen=True)
class Sources:
    """The artifacts that a report is made from, found but not read."""

    run: str
    configuration: Mapping[str, Any]
    catalogue: Artifact
    model: Artifact | None
    shards: Mapping[int, Artifact]
    stages: Mapping[str, Artifact]
    batch_name: str
    batch: Artifact | None

    def digests(self) -> dict[str, str]:
        """The digest of each source, by a name that a manifest can carry."""
        found = {"configuration": artifact.digest_of(dict(self.configuration)), "catalogue": self.catalogue.digest}
        found |= {f"shard-{number:05d}": item.digest for number, item in self.shards.items()}
        found |= {f"evaluation/{name}": item.digest for name, item in self.stages.items()}
        found |= {"model": self.model.digest} if self.model else {}
        return found | ({"export": self.batch.digest} if self.batch else {})

    def newest(self) -> str:
        """When the last of them was committed, as an ISO date and time."""
        return max(item.manifest.created for item in (self.catalogue, *self.shards.values(), *self.stages.values()))


def find(store: Store, run: str, catalogue_name: str, batch: str) -> Sources:
    """The sources that stand now.

    Errors: `NotReadyError` (75) where the run has not begun, has trained nothing, or has no catalogue;
    `ConfigurationError` (78) where it is trained on another catalogue.
    """
    configuration = runs.read_config(store, run)
    trained_on = configuration.get("catalogue", catalogue_name)
    if trained_on != catalogue_name:
        raise ConfigurationError(
            f"run {run!r} is trained on catalogue {trained_on!r}, not {catalogue_name!r}: give --catalogue {trained_on}"
        )
    shards = _shards(store, run)
    if not shards:
        raise NotReadyError(
            f"run {run!r} has no trained shard in {store.at(layout.run_path(run))}: `skuscribe train --run {run}` makes one"
        )
    return Sources(
        run=run,
        configuration=configuration,
        catalogue=catalogue.require(store, catalogue_name).artifact,
        model=artifact.find(store, layout.model_path(str(configuration.get("model", "base")))),
        shards=shards,
        stages=_stages(store, run),
        batch_name=batch,
        batch=artifact.find(store, f"exports/{batch}") if batch else None,
    )


def read(sources: Sources, folder: Path) -> History:
    """Everything in the sources. Files are downloaded below `folder`, which may go when this returns.

    Errors: `InputError` (65) where a file does not hold what its job promises.
    """
    return History(
        run=sources.run,
        configuration=sources.configuration,
        model=str(sources.configuration.get("model", "base")),
        model_figures=sources.model.manifest.figures if sources.model else {},
        data=_data(sources.catalogue, folder / "catalogue"),
        shards=tuple(
            _trained(number, item, folder / f"shard-{number}") for number, item in sorted(sources.shards.items())
        ),
        stages=tuple(
            sorted((_stage(name, item, folder / name) for name, item in sources.stages.items()), key=_stage_order)
        ),
        batch=sources.batch_name,
        batch_figures=sources.batch.manifest.figures if sources.batch else None,
        batch_scores=_batch_scores(sources.batch, folder / "batch") if sources.batch else {},
        reference=reference_run(),
    )


def reference_run() -> tuple[Epoch, ...]:
    """The figures that the reference run reported for ten shards of FLAN-T5-base; None where one was not legible.

    Its shards and epochs count from 1.
    """
    text = resources.files("jobs.report").joinpath("reference_run.csv").read_text(encoding="utf-8")
    return tuple(_reference_epoch(row) for row in csv.DictReader(text.splitlines()))


def _reference_epoch(row: Mapping[str, str]) -> Epoch:
    figures = {name: float(value) if value else None for name, value in row.items() if name not in ("shard", "epoch")}
    return Epoch(int(row["shard"]) - 1, int(row["epoch"]), **figures)


def _shards(store: Store, run: str) -> dict[int, Artifact]:
    folder = layout.run_path(run)
    names = [name for name in store.folders(f"{folder}/") if _SHARD_FOLDER.fullmatch(name)]
    return {int(name.removeprefix("shard-")): found for name, found in _found(store, folder, names)}


def _stages(store: Store, run: str) -> dict[str, Artifact]:
    folder = f"{layout.run_path(run)}/evaluation"
    found = _found(store, folder, store.folders(f"{folder}/"))
    return {name: item for name, item in found if item.manifest.kind == EVALUATION_KIND}


def _found(store: Store, folder: str, names: Sequence[str]) -> list[tuple[str, Artifact]]:
    """The artifacts that stand. Their manifests are read side by side: a long run has more than a hundred."""
    with ThreadPoolExecutor(READERS) as pool:
        items = pool.map(lambda name: artifact.find(store, f"{folder}/{name}"), names)
    return [(name, item) for name, item in zip(names, items, strict=True) if item is not None]


def _data(source: Artifact, folder: Path) -> Data:
    return Data(
        name=source.path.removeprefix("catalogue/"),
        shards=len(source.names("shard-")),
        figures=source.manifest.figures,
        statistics=_json(source.fetch(layout.STATISTICS_FILE, folder), source),
    )


def _trained(number: int, source: Artifact, folder: Path) -> TrainedShard:
    path = source.fetch(layout.METRICS_FILE, folder)
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    figures = source.manifest.figures
    known = {field.name for field in fields(Epoch)}
    epochs = tuple(
        Epoch(**{name: value for name, value in record.items() if name in known} | {"shard": number})
        for record in records
    )
    return TrainedShard(
        number=number,
        epochs=epochs,
        train_rows=figures.get("train_rows"),
        test_rows=figures.get("test_rows"),
        gpu=figures.get("gpu"),
        seconds=_seconds(epochs, figures.get("seconds")),
        committed=source.manifest.created,
    )


def _seconds(epochs: Sequence[Epoch], all_in_all: float | None) -> float | None:
    """The time of a shard: what its manifest says, and no less than its epochs took together."""
    known = [epoch.seconds for epoch in epochs if epoch.seconds is not None]
    return max(sum(known), all_in_all or 0.0) if known else all_in_all


def _stage(name: str, source: Artifact, folder: Path) -> Stage:
    import pyarrow.parquet as pq

    scores = _json(source.fetch(SCORES_FILE, folder), source)
    answers = pq.read_table(source.fetch(ANSWERS_FILE, folder))
    groups = {
        group: Group(int(found.get("questions", 0)), _intervals(found)) for group, found in scores["groups"].items()
    }
    baselines = {baseline: _intervals(found) for baseline, found in scores.get("baselines", {}).items()}
    return Stage(name, scores["shard"], scores["retrieval"], groups, baselines, answers, scores.get("seconds"))


def _batch_scores(source: Artifact, folder: Path) -> dict[str, float]:
    """The means over the first parts: enough for a mean, and no batch is too long to report on."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    parts = [name for name in source.names("part-") if name.endswith(".parquet")][:BATCH_PARTS]
    if not parts:
        return {}
    rows = pa.concat_tables(pq.read_table(source.fetch(name, folder), columns=list(BATCH_SCORES)) for name in parts)
    means = {name: pc.mean(rows[name]).as_py() for name in BATCH_SCORES}
    return {"rows": rows.num_rows} | {name: mean for name, mean in means.items() if mean is not None}


def _intervals(found: Mapping[str, Any]) -> dict[str, Interval]:
    return {
        name: Interval(item["value"], item["low"], item["high"])
        for name, item in found.items()
        if isinstance(item, dict) and item.get("value") is not None
    }


def _stage_order(stage: Stage) -> tuple[int, bool, str]:
    return (-1 if stage.shard is None else stage.shard, stage.retrieval, stage.name)


def _json(path: Path, source: Artifact) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise InputError(f"{source.store.at(source.path)}/{path.name} holds no JSON object: run its job again")
    return found
