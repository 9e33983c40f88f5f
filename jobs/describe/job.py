"""The job `describe`: write a description for each title, with retrieved neighbours in the prompt, and check it.

Reads titles, the catalogue, a trained model and the index in Postgres. Writes skuscribe.description and exports/BATCH.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.database.migrations import migrate
from jobs.database.repeat import repeated
from jobs.describe import audited_threshold, batch, parts, preview, titles
from jobs.describe.parts import BatchPlan, Loader, Search
from jobs.describe.settings import Settings
from jobs.describe.sources import BatchSources
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError
from jobs.quality.checker import find_matcher, load_checker, searched_neighbours, support_config
from jobs.retrieval.neighbours import NeighbourSearch
from jobs.retrieval.search_index import find_index
from jobs.steps import trained_shards
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact, Spec
from jobs.storage.catalogue import Catalogue, Title
from jobs.storage.fields import Fields
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.t5 import inference

if TYPE_CHECKING:
    from jobs.describe.describer import Describer

LATER = ("from_audit",)
"""Settings that earlier versions did not record."""


def run(settings: Settings) -> None:
    """Describe a query, one part of a batch, or all parts in order.

    Errors: 65 if there are no titles, 75 if the catalogue, the model or the index is not available yet, 78 if the batch
    already exists, created with different settings, and is not to be replaced.
    """
    store = Store(settings.store)
    settings = _as_trained(settings, store)
    sources = _sources(settings, store)
    publish_from = _publish_from(settings, store, sources.matcher)
    with folders.temporary_folder() as work:
        load = partial(_load, settings, sources, publish_from, work)
        if settings.query is not None:
            preview.print_description(settings.query, sources.profile, load, sources.model_name)
            return
        config = _config(settings, sources, publish_from)
        path = layout.export_path(settings.batch)
        spec = Spec(store, path, Kind.EXPORT, config, sources.inputs, later=LATER, former=sources.former)
        existing = artifact.find_matching(spec, replace_outdated=settings.replace)
        repeated(migrate)
        finished = existing or _make_batch(settings, sources, spec, load, work)
    if finished is None:
        return
    batch.restore_rows(finished, settings.batch, settings.catalogue)
    parts.remove_leftover_parts(finished, settings.batch)
    if existing is not None:
        log.info("already done", artifact=existing.url, products=existing.manifest.figures["products"])


def _as_trained(settings: Settings, store: Store) -> Settings:
    """Return the settings without neighbours in the prompt if the model was trained without, unless the user has set them."""
    if "neighbours" in settings.model_fields_set or runs.read_config(store, settings.run).get("retrieval_share"):
        return settings
    return settings.model_copy(update={"neighbours": 0})


def _sources(settings: Settings, store: Store) -> BatchSources:
    products = catalogue.require(store, settings.catalogue)
    config = runs.find_config(store, settings.run) or {}
    model = runs.model_after(store, settings.run, config, _shard(settings, store, config, products))
    matcher = find_matcher(store, settings.matcher, words_only=settings.words_only)
    if matcher is not None:
        _warn_of_other_products(matcher, products)
    return BatchSources(
        products=products,
        model=model,
        model_name=model.path.removeprefix(f"{layout.run_path(settings.run)}/"),
        index=find_index(settings.catalogue, products.digest) if _neighbour_count(settings) else None,
        matcher=matcher,
        file=titles.fetch(settings.titles) if settings.titles else None,
    )


def _warn_of_other_products(matcher: Artifact, products: Catalogue) -> None:
    """Warn if the matcher learnt from other products than those of the catalogue: it then knows fewer of their contradictions."""
    learnt_from = matcher.manifest.inputs.get("catalogue")
    if learnt_from is not None and learnt_from != products.artifact.digest:
        log.warning(
            "the matcher learnt from other products: its checks are weaker for those of this catalogue",
            matcher=matcher.path,
            learnt_from=layout.catalogue_path(matcher.manifest.settings["catalogue"]),
            catalogue=products.artifact.path,
            remedy="`skuscribe match` with this --catalogue and another --matcher makes its own",
        )


def _shard(settings: Settings, store: Store, config: Mapping[str, Any], products: Catalogue) -> int:
    """Return the last shard that the model was trained on. `config`: the configuration of the run, empty if it has not started.

    The run may have been trained on another catalogue than that of the neighbours. Errors: `ConfigurationError` (78) if --shard names
    no model.
    """
    trained_on = config.get("catalogue", settings.catalogue)
    shards = (products if trained_on == settings.catalogue else catalogue.require(store, trained_on)).shards
    if settings.shard is None:
        return trained_shards(shards, settings.max_shards) - 1
    if settings.shard >= shards:
        raise ConfigurationError(
            f"--shard {settings.shard}: the catalogue {trained_on!r} of the run {settings.run!r} has {shards} shards, counted from 0"
        )
    merged = runs.merged_models(store, settings.run, config, shards)
    if merged and settings.shard not in merged:
        raise ConfigurationError(
            f"--shard {settings.shard}: run {settings.run!r} trains {runs.shards_at_once(config)} shards at once and merges their models. "
            f"It has models after these shards: {', '.join(map(str, merged))}"
        )
    return settings.shard


def _neighbour_count(settings: Settings) -> int:
    return searched_neighbours(settings.neighbours, words_only=settings.words_only)


def _publish_from(settings: Settings, store: Store, matcher: Artifact | None) -> float | None:
    """Return the threshold that the settings name, or that follows from the labels. None: that of the matcher, if there is one."""
    share = settings.from_audit
    if share is None or matcher is None:
        return settings.publish_from
    if settings.query is not None:
        return audited_threshold.threshold_from_labels(share, settings.catalogue, matcher.digest)
    return audited_threshold.threshold_of_batch(store, settings.batch, share, settings.catalogue, matcher.digest)


def _config(settings: Settings, sources: BatchSources, publish_from: float | None) -> dict[str, Any]:
    """Return the settings that determine the texts and their verdicts, as the manifest records them."""
    return {
        "limit": settings.limit,
        "part_rows": settings.part_rows,
        "neighbours": settings.neighbours,
        **inference.generation_config(
            settings.precision, settings.prompt_max_tokens, settings.decoding, require_gpu=settings.require_gpu
        ),
        **({"profile": sources.profile, **_fields_config(settings)} if sources.file else {"split": settings.split}),
        **support_config(settings.number_support),
        **({"candidates": settings.candidates, "publish_from": publish_from} if sources.matcher else {}),
        **({} if settings.from_audit is None else {"from_audit": settings.from_audit}),
    }


def _fields_config(settings: Settings) -> dict[str, str]:
    """Return the fields of the titles, if they are set: batches of earlier versions don't have these settings."""
    fields = {"title_field": settings.title_field, "uid_field": settings.uid_field}
    return {name: value for name, value in fields.items() if value}


def _load(
    settings: Settings, sources: BatchSources, publish_from: float | None, work: Path
) -> tuple[Search, "Describer"]:
    """Return the search for neighbours, and the describer."""
    # torch is loaded only to describe: a batch that exists is found without it
    from jobs.describe.describer import GenerationOptions, load_describer  # noqa: PLC0415
    from jobs.t5 import gpu  # noqa: PLC0415

    search: Search = _no_neighbours
    if sources.index is not None:
        search = NeighbourSearch(sources.index, settings.encoder, _neighbour_count(settings)).of
    gpu.require(settings.require_gpu)
    device = inference.choose_device(settings.precision, settings.batch_tokens)
    checker = load_checker(sources.matcher, publish_from, settings.number_support)
    options = GenerationOptions(
        decoding=settings.decoding,
        candidates=settings.candidates if sources.matcher else 1,
        prompt_neighbours=settings.neighbours,
        prompt_max_tokens=settings.prompt_max_tokens,
    )
    return search, load_describer(sources.model, checker, device, options, work)


def _no_neighbours(rows: Sequence[Title]) -> list[list[Any]]:
    return [[] for _ in rows]


def _make_batch(settings: Settings, sources: BatchSources, spec: Spec, load: Loader, work: Path) -> Artifact | None:
    """Describe the parts that this process is to make. Returns the batch, None if other parts are not committed yet."""
    rows = parts.split(_titles(settings, sources, work), settings.part_rows)
    plan = BatchPlan(settings.batch, settings.catalogue, spec, rows, settings.replace)
    selected = parts.select(settings.index, settings.workers, len(rows))
    if not selected:
        log.info("nothing to do: no part with this index", index=settings.index, parts=len(rows))
    made = parts.describe_parts(plan, selected, load)
    committed = [part for part in made if part is not None]
    if len(committed) < len(made):
        log.info("other parts are pending", batch=settings.batch, committed=len(committed), parts=len(made))
        return None
    build = partial(parts.include_parts, parts=committed, model_name=sources.model_name)
    return artifact.make_once(spec, build, replace_outdated=settings.replace)


def _titles(settings: Settings, sources: BatchSources, work: Path) -> list[Title]:
    if sources.file:
        chosen = Fields(title=settings.title_field, uid=settings.uid_field)
        return titles.from_file(sources.file, sources.profile, settings.limit, chosen)
    return titles.from_catalogue(sources.products, settings.split, settings.limit, work)
