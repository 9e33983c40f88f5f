"""The history of a run: what its artifacts record about the catalogue, the training, the evaluation and the batch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.process.errors import InputError
from jobs.quality.metrics import Interval
from jobs.report.epochs import Epoch, read_epochs
from jobs.report.sources import Sources
from jobs.steps import trained_shards
from jobs.storage import runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import ANSWERS_FILE, METRICS_FILE, SCORES_FILE, STATISTICS_FILE

BATCH_FILES = 5
BATCH_SCORES = ("grounding", "repetition", "copying")


@dataclass(frozen=True)
class CatalogueSummary:
    """The catalogue: the figures of its manifest, and its statistics.json."""

    name: str
    shards: int
    figures: Mapping[str, Any]
    statistics: Mapping[str, Any]


@dataclass(frozen=True)
class TrainedShard:
    """The training of one shard.

    `seconds` is the time of its steps and validation; `committed` is an ISO date and time.
    """

    number: int
    epochs: tuple[Epoch, ...]
    train_rows: int | None
    gpu: str | None
    seconds: float | None
    committed: str


@dataclass(frozen=True)
class MergedModel:
    """The merge of the models of a round, whose shards are `first` to `last`.

    `train_rows`: training rows of these shards. `gradient_norm`: Euclidean norm of the outer gradient.
    """

    first: int
    last: int
    train_rows: int
    gradient_norm: float


@dataclass(frozen=True)
class GroupScores:
    """The scores of one group of questions, by metric: loss, rouge1, ..., repetition, flagged."""

    questions: int
    scores: Mapping[str, Interval]


@dataclass(frozen=True)
class Stage:
    """The answers of one model to the fixed questions. `answers` has the columns of answers.parquet.

    `shard` is the last shard that the model was trained on, None for the base model. `checks_version`: of the checks that flagged the
    answers.
    """

    name: str
    shard: int | None
    retrieval: bool
    groups: Mapping[str, GroupScores]
    baselines: Mapping[str, Mapping[str, Interval]]
    answers: pa.Table
    seconds: float | None
    checks_version: int = 1


@dataclass(frozen=True)
class History:
    """Everything that a report shows.

    `batch` is empty if no batch is reported on. `batch_rejected`: no model of the run wrote the batch. `batch_figures` is None if
    the batch does not exist yet or is rejected. `batch_scores` has the number of descriptions read (`rows`) and the
    means of their scores, 0 to 1. `audit_figures` is None if no person has labelled texts of the batch.
    `matcher_replaced`: the matcher that the batch was checked with was replaced since. `matcher_scores` is scores.json of the
    matcher, empty if nothing was calibrated or the matcher was replaced. `rejected_stages`: names of the evaluated stages
    whose model does not belong to the run. `outdated_shards`, `outdated_merges`: as the functions of `runs` return
    them. `merged`: of the rounds that are merged, in order, empty in a chain. `max_shards`: number of shards that the run trains; None for all.
    """

    run: str
    config: Mapping[str, Any]
    model: str
    model_figures: Mapping[str, Any]
    catalogue: CatalogueSummary
    shards: tuple[TrainedShard, ...]
    stages: tuple[Stage, ...]
    batch: str
    batch_figures: Mapping[str, Any] | None
    batch_scores: Mapping[str, float]
    audit_figures: Mapping[str, Any] | None = None
    matcher_scores: Mapping[str, Any] = field(default_factory=dict)
    matcher_replaced: bool = False
    batch_rejected: bool = False
    rejected_stages: tuple[str, ...] = ()
    outdated_shards: tuple[int, ...] = ()
    outdated_merges: tuple[int, ...] = ()
    merged: tuple[MergedModel, ...] = ()
    max_shards: int | None = None

    @property
    def planned_shards(self) -> int:
        """The number of shards that the run is to train."""
        return trained_shards(self.catalogue.shards, self.max_shards)

    @property
    def shards_at_once(self) -> int:
        """The number of shards that are trained from the same model, 1 in a chain."""
        return runs.shards_at_once(self.config)

    @property
    def longest_seconds(self) -> float | None:
        """The seconds of the longest shard of each round, one after the other; None if those of a shard are unknown."""
        if self.training_seconds is None:
            return None
        longest: dict[int, float] = {}
        for shard in self.shards:
            number = shard.number // self.shards_at_once
            longest[number] = max(longest.get(number, 0.0), shard.seconds or 0.0)
        return sum(longest.values())

    @property
    def training_seconds(self) -> float | None:
        """The seconds of all trained shards; None if one is unknown."""
        seconds = [shard.seconds for shard in self.shards if shard.seconds is not None]
        return sum(seconds) if len(seconds) == len(self.shards) else None


def read(sources: Sources, folder: Path) -> History:
    """Return the history that the sources record. Downloads files below `folder`, which is not needed afterwards.

    Errors: `InputError` (65) if a file does not have the expected content.
    """
    shards = sorted(sources.shards.items())
    stages = [_read_stage(name, source, folder / name) for name, source in sources.stages.items()]
    return History(
        run=sources.run,
        config=sources.config,
        model=sources.base_model,
        model_figures=sources.model.manifest.figures if sources.model else {},
        catalogue=_read_catalogue(sources, folder / "catalogue"),
        shards=tuple(_read_shard(number, source, folder / f"shard-{number}") for number, source in shards),
        stages=tuple(sorted(stages, key=_stage_order)),
        batch=sources.batch_name,
        batch_figures=sources.batch.manifest.figures if sources.batch else None,
        batch_scores=_read_batch_scores(sources.batch, folder / "batch") if sources.batch else {},
        audit_figures=sources.audit.manifest.figures if sources.audit else None,
        matcher_scores=_read_json(sources.matcher, SCORES_FILE, folder / "matcher") if sources.matcher else {},
        matcher_replaced=bool(sources.batch and "matcher" in sources.batch.manifest.inputs and not sources.matcher),
        batch_rejected=sources.rejected_batch is not None,
        rejected_stages=tuple(sources.rejected_stages),
        outdated_shards=tuple(runs.outdated_shards(sources.shards, sources.merged, sources.config)),
        outdated_merges=tuple(runs.outdated_merges(sources.shards, sources.merged, sources.config)),
        merged=tuple(_read_merged(source) for _, source in sorted(sources.merged.items())),
        max_shards=sources.max_shards,
    )


def _read_catalogue(sources: Sources, folder: Path) -> CatalogueSummary:
    source = sources.catalogue.artifact
    return CatalogueSummary(
        name=sources.catalogue_name,
        shards=sources.catalogue.shards,
        figures=source.manifest.figures,
        statistics=_read_json(source, STATISTICS_FILE, folder),
    )


def _read_shard(number: int, source: Artifact, folder: Path) -> TrainedShard:
    epochs = read_epochs(source.fetch(METRICS_FILE, folder), number)
    figures = source.manifest.figures
    return TrainedShard(
        number=number,
        epochs=epochs,
        train_rows=figures.get("train_rows"),
        gpu=figures.get("gpu"),
        seconds=_training_seconds(epochs, figures.get("seconds")),
        committed=source.manifest.created,
    )


def _read_merged(source: Artifact) -> MergedModel:
    shards, figures = source.manifest.settings["shards"], source.manifest.figures
    return MergedModel(shards[0], shards[-1], figures["train_rows"], figures["outer_gradient_norm"])


def _training_seconds(epochs: Sequence[Epoch], recorded: float | None) -> float | None:
    """Return the recorded seconds of a shard, at least the sum of its epochs; None if neither is known."""
    known = [epoch.seconds for epoch in epochs if epoch.seconds is not None]
    return max(sum(known), recorded or 0.0) if known else recorded


def _read_stage(name: str, source: Artifact, folder: Path) -> Stage:
    scores = _read_json(source, SCORES_FILE, folder)
    return Stage(
        name=name,
        shard=scores["shard"],
        retrieval=scores["retrieval"],
        groups={
            group: GroupScores(int(recorded.get("questions", 0)), _intervals(recorded))
            for group, recorded in scores["groups"].items()
        },
        baselines={baseline: _intervals(recorded) for baseline, recorded in scores.get("baselines", {}).items()},
        answers=pq.read_table(source.fetch(ANSWERS_FILE, folder)),
        seconds=scores.get("seconds"),
        checks_version=scores.get("checks_version", 1),
    )


def _intervals(recorded: Mapping[str, Any]) -> dict[str, Interval]:
    return {
        metric: Interval(score["value"], score["low"], score["high"])
        for metric, score in recorded.items()
        if isinstance(score, dict) and score.get("value") is not None
    }


def _stage_order(stage: Stage) -> tuple[int, bool, str]:
    return (-1 if stage.shard is None else stage.shard, stage.retrieval, stage.name)


def _read_batch_scores(source: Artifact, folder: Path) -> dict[str, float]:
    """Return the means over the first files only, so that a large batch is not downloaded."""
    names = [name for name in source.names() if name.endswith(".parquet")][:BATCH_FILES]
    if not names:
        return {}
    rows = pa.concat_tables(pq.read_table(source.fetch(name, folder), columns=list(BATCH_SCORES)) for name in names)
    means = {name: pc.mean(rows[name]).as_py() for name in BATCH_SCORES}
    return {"rows": rows.num_rows} | {name: mean for name, mean in means.items() if mean is not None}


def _read_json(source: Artifact, name: str, folder: Path) -> dict[str, Any]:
    content = json.loads(source.fetch(name, folder).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise InputError(
            f"{source.url}/{name} holds {type(content).__name__}, expected a JSON object: run its job again"
        )
    return content
