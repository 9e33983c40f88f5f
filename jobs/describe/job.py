"""Write descriptions for titles, with the products nearest to them in sight, and check each one.

Reads titles (a file, or a split of the catalogue), the last model of a run, the index in Postgres; writes the table
skuscribe.description and exports/BATCH: JSON Lines, CSV, Parquet, part by part. A description that fails a check is written
again more strictly, then flagged with the reason; a title that cannot be described is a row with its error.
Try: skuscribe describe --query "Stainless steel water bottle 750 ml"
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.database import connection as database
from jobs.describe import batch as batch_files
from jobs.describe import describer as describing
from jobs.describe import titles
from jobs.describe.describer import Describer
from jobs.describe.settings import Settings
from jobs.describe.titles import TitleFile
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError, InputError
from jobs.retrieval import neighbourhood
from jobs.retrieval.neighbourhood import Index
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue, Title
from jobs.storage.store import Store
from jobs.t5 import generation, gpu
from jobs.text.cleaning import Profile


@dataclass(frozen=True)
class Plan:
    """What a batch is made from. `settings` and `inputs` are the fingerprint: all that changes its result."""

    products: Catalogue
    model: Artifact
    model_name: str
    index: Index | None
    file: TitleFile | None
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]


def run(settings: Settings) -> None:
    """Describe a query, one part, or all parts in order.

    Errors: 65 no titles, 75 catalogue, model or index not there yet, 78 the batch stands and was made otherwise.
    """
    store = Store(settings.store)
    plan = _plan(settings, store)
    if settings.query:
        _answer_query(settings, plan)
        return
    path = layout.export_path(settings.batch)
    standing = artifact.done(store, path, plan.settings, plan.inputs)
    with database.session() as connection:
        database.migrate(connection)
    if standing is not None:
        batch_files.restore_rows(standing, settings.batch, settings.catalogue)
        log.info("already done", artifact=store.at(path), products=standing.manifest.figures["products"])
        return
    with folders.temporary_folder() as work:
        _describe_parts(settings, plan, store, _titles(settings, plan, work), work)


def _plan(settings: Settings, store: Store) -> Plan:
    products = catalogue.require(store, settings.catalogue)
    shard = products.shards - 1 if settings.shard is None else settings.shard
    if shard >= products.shards:
        raise ConfigurationError(f"--shard {shard}: {settings.catalogue} has {products.shards} shards, counted from 0")
    model = runs.trained_shard(store, settings.run, shard)
    index = neighbourhood.find(settings.catalogue) if settings.neighbours else None
    file = titles.fetch(settings.titles) if settings.titles else None
    decisive = {
        "limit": settings.limit, "part_rows": settings.part_rows, "neighbours": settings.neighbours,
        **generation.generation_config(settings.precision, settings.prompt_max_tokens, settings.decoding), **({"profile": _profile(products)} if file else {"split": settings.split}),
    }  # fmt: skip
    inputs = {"model": model.digest, "titles": file.digest if file else products.digest}
    return Plan(
        products, model, f"shard-{shard:05d}", index, file, decisive,
        inputs | ({"index": index.digest} if index else {}),
    )  # fmt: skip


def _titles(settings: Settings, plan: Plan, work: Path) -> list[Title]:
    if plan.file:
        return titles.from_file(plan.file, _profile(plan.products), settings.limit)
    return titles.from_catalogue(plan.products, settings.split, settings.limit, work)


def _profile(products: Catalogue) -> Profile:
    """How the catalogue's titles were cleaned."""
    return "reference" if products.artifact.manifest.settings.get("profile") == "reference" else "catalogue"


def _describe_parts(settings: Settings, plan: Plan, store: Store, rows: list[Title], work: Path) -> None:
    """Every part that is asked for and not done; then, where all parts stand, the batch."""
    starts = range(0, len(rows), settings.part_rows)
    wanted = _wanted(settings, len(starts))
    if not wanted:
        log.info("there is no such part", part=settings.index, parts=len(starts), products=len(rows))
    describer: Describer | None = None
    with log.progress("describe", sum(len(_part(rows, settings, part)) for part in wanted), "products") as progress:
        for part in wanted:
            some, decisive = _part(rows, settings, part), {**plan.settings, "part": part}
            if artifact.done(store, layout.export_part_path(settings.batch, part), decisive, plan.inputs):
                progress.advance(len(some))
                continue
            describer = describer or _describer(settings, plan, work)
            started = time.monotonic()
            found = describer.describe(some, progress.advance)
            batch_files.write_rows(found, settings.batch, settings.catalogue)
            batch_files.commit_part(
                store, settings.batch, part, found, decisive, plan.inputs, time.monotonic() - started
            )
    batch_files.commit_batch(store, settings.batch, len(starts), plan.settings, plan.inputs, plan.model_name)


def _wanted(settings: Settings, parts: int) -> list[int]:
    """The parts of a batch that this process does."""
    if settings.index is None:
        return list(range(parts))
    return list(range(settings.index, parts, settings.parts or max(parts, 1)))


def _part(rows: list[Title], settings: Settings, part: int) -> list[Title]:
    return rows[part * settings.part_rows : (part + 1) * settings.part_rows]


def _describer(settings: Settings, plan: Plan, work: Path) -> Describer:
    gpu.require(settings.require_gpu)
    device = generation.choose_device(settings.precision, settings.batch_tokens)
    near = neighbourhood.Neighbourhood(plan.index, settings.encoder, settings.neighbours) if plan.index else None
    return Describer(plan.model, near, device, settings.decoding, settings.prompt_max_tokens, work)


def _answer_query(settings: Settings, plan: Plan) -> None:
    title = titles.of_query(settings.query, _profile(plan.products))
    if title.error:
        raise InputError(f"--query {settings.query!r}: {title.error}")
    with folders.temporary_folder() as work:
        describer = _describer(settings, plan, work)
        near = describer.neighbours([title])
        [found] = describer.describe([title], neighbours=near)
    print(describing.shown(found, near[0], plan.model_name))
