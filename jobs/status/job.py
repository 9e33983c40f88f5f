"""What is done, what is running, what is waiting, with figures.

Reads manifests and saved states in the store, or with --release the Jobs and pods of a release on the cluster; changes
nothing. Try: skuscribe status
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs.process.errors import JobError, NotReadyError
from jobs.status.settings import Settings
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import ATTEMPT_PREFIX as ATTEMPT
from jobs.storage.store import Store


@dataclass(frozen=True)
class ShardState:
    """Where one shard stands: `done`, `started` (a state or an attempt of it is there) or `waiting`."""

    shard: int
    state: str
    figures: dict[str, float | None]
    note: str = ""


def run(settings: Settings) -> None:
    """Print it. Errors: `NotReadyError` (75) where the store holds nothing at all, or the cluster no such release."""
    if settings.release:
        from jobs.pipeline import cluster, release_status

        seen = cluster.Cluster(settings.namespace, retry_seconds=10)
        print("\n".join(release_status.overview(seen, settings.release, settings.gpu_hour_price)))
        return
    store = Store(settings.store)
    lines = list(_overview(store, settings.run))
    if not lines:
        raise NotReadyError(f"nothing stands in {settings.store} yet: `skuscribe prepare` makes the first artifact")
    print("\n".join([*lines, *_index_lines()]))


def shard_states(store: Store, name: str, shards: int) -> list[ShardState]:
    """Every shard of a run, in order."""
    found = []
    for shard in range(shards):
        path = layout.trained_shard_path(name, shard)
        made = artifact.find(store, path)
        if made is not None:
            found.append(ShardState(shard, "done", dict(made.manifest.figures)))
            continue
        traces = [
            item for item in store.objects(f"{path}/") if item.key.startswith((f"{path}/state/", f"{path}/{ATTEMPT}"))
        ]
        if not traces:
            found.append(ShardState(shard, "waiting", {}))
            continue
        latest = max(item.modified for item in traces)
        steps = sorted(item.key.split("/")[-2] for item in traces if "/state/" in item.key)
        saved = f"{steps[-1]}, " if steps else ""
        found.append(ShardState(shard, "started", {}, f"{saved}last sign {_age(latest)} ago"))
    return found


def _overview(store: Store, only: str) -> Iterator[str]:
    for name in store.folders("catalogue/"):
        yield from _artifact_line(store, layout.catalogue_path(name), ("kept", "rejected", "shards", "held_out"))
    for name in store.folders("models/"):
        yield from _artifact_line(store, layout.model_path(name), ("parameters", "source"))
    for name in store.folders("runs/"):
        if not only or name == only:
            yield from _run_lines(store, name)
    for name in store.folders("exports/"):
        yield from _artifact_line(store, f"exports/{name}", ("products", "published", "flagged", "failed"))


def _run_lines(store: Store, name: str) -> Iterator[str]:
    configuration = runs.read_config(store, name)
    yield f"runs/{name}  {'  '.join(f'{key} {_short(value)}' for key, value in configuration.items() if not isinstance(value, dict))}"
    shards = shard_states(store, name, _shard_count(store, name))
    yield f"  {'shard':>5}  {'state':<8}{'training loss':>14}{'validation loss':>16}{'ROUGE-L':>9}{'examples/s':>12}{'seconds':>9}"
    for item in shards:
        columns = [("training_loss", 14, ".3f"), ("validation_loss", 16, ".3f"), ("rougeL", 9, ".3f"), ("examples_per_second", 12, ",.1f"), ("seconds", 9, ",.0f")]  # fmt: skip
        cells = "".join(
            f"{'' if (value := item.figures.get(key)) is None else format(value, style):>{width}}"
            for key, width, style in columns
        )
        yield f"  {item.shard:>5}  {item.state:<8}{cells}{item.note}".rstrip()
    count = sum(item.state == "done" for item in shards)
    yield f"  {count} of {len(shards)} shards done"
    stages = [
        stage
        for stage in store.folders(f"runs/{name}/evaluation/")
        if artifact.find(store, f"runs/{name}/evaluation/{stage}")
    ]
    yield f"  evaluated: {', '.join(stages) or 'nothing yet'}"
    yield from _artifact_line(store, f"runs/{name}/report", (), indent="  ")


def _shard_count(store: Store, name: str) -> int:
    """As many as the catalogue has that the run was started on; where that is gone, as many as have begun."""
    for known in store.folders("catalogue/"):
        found = artifact.find(store, layout.catalogue_path(known))
        if found is not None and found.digest in json.dumps(runs.read_config(store, name)):
            return catalogue.Catalogue(found).shards
    return sum(folder.startswith("shard-") for folder in store.folders(f"runs/{name}/"))


def _artifact_line(store: Store, path: str, names: tuple[str, ...], indent: str = "") -> Iterator[str]:
    found = artifact.find(store, path)
    yield (
        f"{indent}{path}  "
        + ("in progress" if found is None else f"done {found.manifest.created}  {_figures(found, names)}").rstrip()
    )


def _index_lines() -> Iterator[str]:
    """What Postgres holds; one line that says why where it can't be asked."""
    from jobs.database import connection as database

    try:
        with database.session(read_only=True) as connection:
            rows = connection.execute(database.statement("index_status")).fetchall()
    except JobError as error:
        yield f"Postgres: {error}"
        return
    for row in rows:
        yield f"index {row[0]}  {row[1]:,} rows  recall@10 {row[2]:.3f}  {row[3] / 1e6:,.1f} MB  built {row[4]:%Y-%m-%d %H:%M}"


def _figures(found: Artifact, names: tuple[str, ...]) -> str:
    figures = found.manifest.figures
    return "  ".join(f"{name} {_short(figures[name])}" for name in names if name in figures)


def _short(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return text if len(text) < 40 else text[:12] + "…"


def _age(moment: datetime) -> str:
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
