"""Write the metrics and answers of a run to an HTML page, a PDF and CSV files.

Reads the manifests and files of the catalogue, the trained shards, the evaluated stages and the batch.
Writes runs/RUN/report, replacing a report of older inputs or settings in one write.
"""

from collections.abc import Mapping
from typing import Any

from jobs import __version__
from jobs.process.errors import NotReadyError
from jobs.report import sources
from jobs.report.settings import SEED, Settings
from jobs.report.sources import Sources
from jobs.report.wording import counted
from jobs.steps import trained_shards
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Draft, Spec
from jobs.storage.layout import Kind
from jobs.storage.store import Store


def run(settings: Settings) -> None:
    """Make the report, unless one of the same inputs and settings exists."""
    store = Store(settings.store)
    found = sources.find(store, settings.run, settings.catalogue, settings.batch, settings.max_shards)
    if not settings.partial:
        _require_all_shards(found)
    config = settings.model_dump(exclude={"store", "partial", "max_shards"}) | {
        "seed": SEED,
        "code_version": __version__,
    }
    if settings.max_shards is not None:
        config["max_shards"] = settings.max_shards
    spec = Spec(store, layout.report_path(settings.run), Kind.REPORT, config, found.digests())

    def build(draft: Draft) -> Mapping[str, Any]:
        from jobs.report import publication  # noqa: PLC0415 - loads matplotlib, not needed if the report is up to date

        return publication.write(draft, found, settings.examples, settings.gpu_hour_price)

    artifact.make_once(spec, build, replace_outdated=True)


def _require_all_shards(found: Sources) -> None:
    total = trained_shards(found.catalogue.shards, found.max_shards)
    missing = [shard for shard in range(total) if shard not in found.shards]
    if missing:
        raise NotReadyError(
            f"run {found.run!r} has {total - len(missing)} of {counted(total, 'shard')}; the first missing one is {missing[0]}: "
            f"`skuscribe train --run {found.run}` trains the rest, --partial reports on those that exist"
        )
    if runs.shards_at_once(found.config) > 1 and total - 1 not in found.merged:
        raise NotReadyError(
            f"the models of the last round of run {found.run!r} are not merged yet: `skuscribe train --run {found.run}` merges them, "
            "--partial reports without the merged model"
        )
