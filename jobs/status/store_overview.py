"""The lines of `status` about the store: artifacts, runs and their shards."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.process.durations import duration
from jobs.steps import rounds, trained_shards
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import ATTEMPT_PREFIX, CHECKPOINT_FOLDER
from jobs.storage.store import Store

COLUMNS = (
    ("training loss", "training_loss", 14, ".3f"), ("validation loss", "validation_loss", 16, ".3f"),
    ("ROUGE-L", "rougeL", 9, ".3f"), ("examples/s", "examples_per_second", 12, ",.1f"), ("seconds", "seconds", 9, ",.0f"),
)  # fmt: skip
"""The columns of the table of shards: title, figure of the manifest, width, format."""

MAX_SHOWN = 40


@dataclass(frozen=True)
class ShardState:
    """The state of one shard: `done`, `started` (it has a checkpoint or an attempt) or `waiting`."""

    shard: int
    state: str
    figures: Mapping[str, Any]
    note: str = ""


def lines(store: Store, only_run: str = "", max_shards: int | None = None) -> Iterator[str]:
    """Yield the lines about all artifacts and runs, or about all artifacts and one run.

    `max_shards`: number of shards that each run trains; None for all.
    """
    for name in store.folders(layout.CATALOGUES):
        yield from _lines_of(store, layout.catalogue_path(name), ("kept", "rejected", "shards", "held_out"))
    for name in store.folders(layout.MODELS):
        yield from _lines_of(store, layout.model_path(name), ("parameters", "source"))
    for name in store.folders(layout.MATCHERS):
        figures = ("auc_nearest", "publish_from", "flagged_own", "flagged_nearest")
        yield from _lines_of(store, layout.matcher_path(name), figures)
    for name in store.folders(layout.RUNS):
        if only_run in ("", name):
            yield from _run_lines(store, name, max_shards)
    for name in store.folders(layout.EXPORTS):
        yield from _lines_of(store, layout.export_path(name), ("products", "published", "flagged", "failed"))
        if (audit := artifact.find(store, layout.audit_path(name))) is not None:
            yield _artifact_line(audit.path, audit, ("labelled",))


def _lines_of(store: Store, path: str, names: tuple[str, ...]) -> Iterator[str]:
    """Yield the line of an artifact, none if it was deleted."""
    committed = artifact.find(store, path)
    if committed is not None or store.has_objects(f"{path}/"):
        yield _artifact_line(path, committed, names)


def _run_lines(store: Store, run: str, max_shards: int | None) -> Iterator[str]:
    config = runs.find_config(store, run)
    path = layout.run_path(run)
    if config is not None:
        yield from _shard_lines(store, run, config, max_shards)
    elif store.has_objects(f"{path}/"):
        # `evaluate` may come before `train`, and a job may write while its run is deleted.
        yield f"{path}  not started: it has files and no {layout.RUN_CONFIG}, `skuscribe delete --path {path}` lists them"
    else:
        return
    stages = store.folders(f"{layout.evaluations_path(run)}/")
    found = artifact.find_all(store, [layout.evaluation_path(run, stage) for stage in stages])
    evaluated = [stage for stage, evaluation in zip(stages, found, strict=True) if evaluation is not None]
    yield f"  evaluated: {', '.join(evaluated) or 'nothing yet'}"
    report = layout.report_path(run)
    committed = artifact.find(store, report)
    begun = committed is not None or store.has_objects(f"{report}/")
    yield "  " + (_artifact_line(report, committed, ()) if begun else f"{report}  not made yet")


def _shard_lines(store: Store, run: str, config: Mapping[str, Any], max_shards: int | None) -> Iterator[str]:
    shown = [f"{key} {_short(value)}" for key, value in config.items() if not isinstance(value, dict)]
    yield f"{layout.run_path(run)}  {'  '.join(shown)}"
    yield f"  {'shard':>5}  {'state':<8}" + "".join(f"{title:>{width}}" for title, _, width, _ in COLUMNS)
    total = trained_shards(_shard_count(store, run, config), max_shards)
    trained = runs.find_trained(store, run, range(total))
    shards = [_shard_state(store, run, shard, trained.get(shard)) for shard in range(total)]
    for shard in shards:
        yield f"  {shard.shard:>5}  {shard.state:<8}{_cells(shard.figures)}{shard.note}".rstrip()
    yield f"  {len(trained)} of {total} shards done"
    merged = runs.merged_models(store, run, config, total)
    if runs.shards_at_once(config) > 1:
        names = [_span(model.manifest.settings["shards"]) for model in merged.values()]
        yield f"  merged: {', '.join(names) or 'nothing yet'}"
        yield from _next_round(rounds(total, runs.shards_at_once(config)), trained, merged)
    if outdated := runs.outdated_merges(trained, merged, config):
        yield f"  {runs.describe_outdated_merges(run, outdated)}"
    if outdated := runs.outdated_shards(trained, merged, config):
        yield f"  {runs.describe_outdated(run, outdated, config)}"


def _next_round(planned: Sequence[range], trained: Collection[int], merged: Collection[int]) -> Iterator[str]:
    """Yield the line about the first round that is not merged, none if all are. `merged`: the last shard of each merged model."""
    waiting = next((shards for shards in planned if shards[-1] not in merged), None)
    if waiting is not None:
        count = sum(shard in trained for shard in waiting)
        yield f"  merged next: {_span(waiting)}, {count} of {len(waiting)} trained"


def _span(shards: Sequence[int]) -> str:
    return f"shards {shards[0]} to {shards[-1]}" if len(shards) > 1 else f"shard {shards[0]}"


def _shard_count(store: Store, run: str, config: Mapping[str, Any]) -> int:
    """Return the number of shards of the run's catalogue, or of its started shards if the catalogue was removed or replaced."""
    committed = artifact.find(store, layout.catalogue_path(config.get("catalogue", "")))
    if committed is not None and committed.digest == config.get("catalogue_digest"):
        return Catalogue(committed).shards
    folders = store.folders(f"{layout.run_path(run)}/")
    return sum(folder.startswith(layout.SHARD_PREFIX) for folder in folders)


def _shard_state(store: Store, run: str, shard: int, trained: Artifact | None) -> ShardState:
    if trained is not None:
        return ShardState(shard, "done", trained.manifest.figures)
    path = layout.trained_shard_path(run, shard)
    checkpoints = f"{path}/{CHECKPOINT_FOLDER}"
    uploads = [
        stored
        for stored in store.objects(f"{path}/")
        if stored.key.startswith((checkpoints, f"{path}/{ATTEMPT_PREFIX}"))
    ]
    if not uploads:
        return ShardState(shard, "waiting", {})
    names = [
        stored.key.removeprefix(checkpoints).split("/")[0] for stored in uploads if stored.key.startswith(checkpoints)
    ]
    latest = f"{max(names, key=layout.checkpoint_step)}, " if names else ""
    age_seconds = (datetime.now(UTC) - max(stored.modified for stored in uploads)).total_seconds()
    age = duration(max(0.0, age_seconds))  # the clock of the store may be ahead of ours
    return ShardState(shard, "started", {}, f"{latest}last upload {age} ago")


def _artifact_line(path: str, committed: Artifact | None, names: tuple[str, ...]) -> str:
    if committed is None:
        return f"{path}  in progress"
    return f"{path}  done {committed.manifest.created}  {_figures(committed, names)}".rstrip()


def _figures(committed: Artifact, names: tuple[str, ...]) -> str:
    figures = committed.manifest.figures
    if figures.get("calibrated") is False:  # a matcher of few products, which has no figures and no threshold
        return "not calibrated: texts are checked by their words only"
    return "  ".join(f"{name} {_short(figures[name])}" for name in names if name in figures)


def _cells(figures: Mapping[str, Any]) -> str:
    """Return the cells of a shard's row; a figure that was not measured is blank."""
    values = [(figures.get(figure), width, style) for _, figure, width, style in COLUMNS]
    return "".join(f"{'' if value is None else format(value, style):>{width}}" for value, width, style in values)


def _short(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return text if len(text) < MAX_SHOWN else text[:12] + "…"
