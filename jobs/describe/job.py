"""The job `describe`: write a description for each title, with retrieved neighbours in the prompt, and check it.

Reads titles, the catalogue, a trained model and the index in Postgres. Writes skuscribe.description and exports/BATCH.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.database.migrations import migrate
from jobs.database.repeat import repeated
from jobs.describe import batch, preview, titles
from jobs.describe.settings import Settings
from jobs.describe.titles import TitleFile
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError, InputError
from jobs.quality.checker import find_matcher, load_checker, searched_neighbours, support_config
from jobs.quality.checks import OFF_TITLE, PROBABILITY_DIGITS
from jobs.quality.publish_threshold import MIN_LABELS, labelled_texts, publish_threshold
from jobs.retrieval.neighbours import Neighbour, NeighbourSearch, SearchIndex, find_index
from jobs.steps import trained_shards
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import Catalogue, Title
from jobs.storage.fields import Fields
from jobs.storage.store import Store
from jobs.t5 import inference
from jobs.text.cleaning import Profile

if TYPE_CHECKING:
    from jobs.describe.describer import Describer

Search = Callable[[Sequence[Title]], list[list[Neighbour]]]


@dataclass(frozen=True)
class BatchSources:
    """The artifacts and the file that a batch is made from, and the config and input digests of its manifest.

    `former`: the digests under which earlier versions recorded an input.
    """

    products: Catalogue
    model: Artifact
    model_name: str
    index: SearchIndex | None
    matcher: Artifact | None
    file: TitleFile | None
    publish_from: float | None
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    former: Mapping[str, Collection[str]]


def run(settings: Settings) -> None:
    """Describe a query, one part of a batch, or all parts in order.

    Errors: 65 if there are no titles, 75 if the catalogue, the model or the index is not available yet, 78 if the batch
    already exists, created with different settings, and is not to be replaced.
    """
    store = Store(settings.store)
    settings = _as_trained(settings, store)
    sources = _find_sources(settings, store)
    if settings.query:
        _answer_query(settings, sources)
        return
    spec = batch.batch_spec(store, settings.batch, sources.config, sources.inputs, sources.former)
    existing = artifact.find_matching(spec, replace_outdated=settings.replace)
    repeated(migrate)
    if existing is not None:
        batch.restore_rows(existing, settings.batch, settings.catalogue)
        log.info("already done", artifact=existing.url, products=existing.manifest.figures["products"])
        return
    parts = _describe_parts(settings, sources, spec)
    committed = [part for part in parts if part is not None]
    if len(committed) < len(parts):
        log.info("other parts are pending", batch=settings.batch, committed=len(committed), parts=len(parts))
        return
    build = partial(batch.include_parts, parts=committed, model_name=sources.model_name)
    batch_artifact = artifact.make_once(spec, build, replace_outdated=settings.replace)
    # Parts may have been made for another database, and an earlier batch of this name may have had other titles.
    batch.restore_rows(batch_artifact, settings.batch, settings.catalogue)


def _as_trained(settings: Settings, store: Store) -> Settings:
    """Return the settings without neighbours in the prompt if the model was trained without, unless the user has set them."""
    if "neighbours" in settings.model_fields_set or runs.read_config(store, settings.run).get("retrieval_share"):
        return settings
    return settings.model_copy(update={"neighbours": 0})


def _find_sources(settings: Settings, store: Store) -> BatchSources:
    products = catalogue.require(store, settings.catalogue)
    shard = trained_shards(products.shards, settings.max_shards) - 1 if settings.shard is None else settings.shard
    if shard >= products.shards:
        raise ConfigurationError(
            f"--shard {shard}: the catalogue {settings.catalogue!r} has {products.shards} shards, counted from 0"
        )
    model = runs.trained_shard(store, settings.run, shard)
    index = find_index(settings.catalogue, products.digest) if _neighbour_count(settings) else None
    matcher_artifact = find_matcher(store, settings.matcher, words_only=settings.words_only)
    publish_from = settings.publish_from
    if settings.from_audit is not None and matcher_artifact is not None:
        publish_from = batch.recorded_threshold(store, settings.batch, settings.from_audit, matcher_artifact.digest)
        if publish_from is None:
            publish_from = _audited_threshold(settings.from_audit, settings.catalogue, matcher_artifact.digest)
    file = titles.fetch(settings.titles) if settings.titles else None
    config = {
        "limit": settings.limit,
        "part_rows": settings.part_rows,
        "neighbours": settings.neighbours,
        **inference.generation_config(settings.precision, settings.prompt_max_tokens, settings.decoding),
        **({"profile": _profile(products), **_fields_config(settings)} if file else {"split": settings.split}),
        **support_config(settings.number_support),
        **({"candidates": settings.candidates, "publish_from": publish_from} if matcher_artifact else {}),
        **({} if settings.from_audit is None else {"from_audit": settings.from_audit}),
    }
    inputs = {"model": model.digest, "titles": file.digest if file else products.digest}
    inputs |= {"index": index.digest} if index else {}
    inputs |= {"matcher": matcher_artifact.digest} if matcher_artifact else {}
    return BatchSources(
        products,
        model,
        layout.trained_shard_name(shard),
        index,
        matcher_artifact,
        file,
        publish_from,
        config,
        inputs,
        former={"index": index.former_digests} if index else {},
    )


def _fields_config(settings: Settings) -> dict[str, str]:
    """Return the fields of the titles, if they are set: batches of earlier versions don't have these settings."""
    fields = {"title_field": settings.title_field, "uid_field": settings.uid_field}
    return {name: value for name, value in fields.items() if value}


def _profile(products: Catalogue) -> Profile:
    """Return the profile that the catalogue's titles were cleaned with."""
    return "reference" if products.artifact.manifest.settings.get("profile") == "reference" else "catalogue"


def _describe_parts(settings: Settings, sources: BatchSources, batch_spec: Spec) -> list[Artifact | None]:
    """Describe the parts that this process is to make. Returns every part of the batch, None for those not committed yet.

    A batch that is to be replaced is withdrawn before its first part is: it lists their files.
    """
    find = partial(artifact.find_matching, replace_outdated=settings.replace)
    with folders.temporary_folder() as work:
        rows = _titles(settings, sources, work)
        parts = batch.split(rows, settings.part_rows)
        specs = [
            batch.part_spec(batch_spec, settings.batch, part, len(titles_of_part))
            for part, titles_of_part in enumerate(parts)
        ]
        selected = _selected_parts(settings.index, settings.workers, len(parts))
        if not selected:
            log.info("nothing to do: no part with this index", index=settings.index, parts=len(parts))
        missing = {part for part, spec in enumerate(specs) if find(spec) is None}  # any part may be of other settings
        pending = [part for part in selected if part in missing]
        if pending:
            if settings.replace:
                artifact.withdraw_outdated(batch_spec)
            search, describer = _search(settings, sources.index), _load_describer(settings, sources, work)
            total = sum(len(parts[part]) for part in selected)
            done = total - sum(len(parts[part]) for part in pending)
            with log.progress("describe", total, "products", done) as progress:
                for part in pending:
                    _make_part(settings, specs[part], part, parts[part], search, describer, progress.advance)
    return [find(spec) for spec in specs]


def _titles(settings: Settings, sources: BatchSources, work: Path) -> list[Title]:
    if sources.file:
        chosen = Fields(title=settings.title_field, uid=settings.uid_field)
        return titles.from_file(sources.file, _profile(sources.products), settings.limit, chosen)
    return titles.from_catalogue(sources.products, settings.split, settings.limit, work)


def _selected_parts(index: int | None, workers: int | None, parts: int) -> list[int]:
    """Return the parts that an index makes: every `workers`-th one, or only its own without `workers`. No index: all parts."""
    if index is None:
        return list(range(parts))
    return list(range(index, parts, workers or max(parts, 1)))


def _make_part(
    settings: Settings,
    spec: Spec,
    part: int,
    rows: Sequence[Title],
    search: Search,
    describer: "Describer",
    on_finished: Callable[[int], None],
) -> None:
    def build(draft: Draft) -> dict[str, Any]:
        started = time.monotonic()
        descriptions = describer.describe(rows, search(rows), on_finished)
        batch.write_rows(descriptions, settings.batch, settings.catalogue)
        figures = batch.add_part(draft, part, descriptions, time.monotonic() - started)
        if not figures["published"]:
            log.warning(
                "nothing is published", part=part, failed=figures["failed"], flagged=figures["flagged"], reasons=figures["reasons"]
            )  # fmt: skip
        return figures

    artifact.make_once(spec, build, replace_outdated=settings.replace)


def _search(settings: Settings, index: SearchIndex | None) -> Search:
    """Return the function that retrieves the neighbours of titles; without an index they have none."""
    if index is None:
        return lambda rows: [[] for _ in rows]
    return NeighbourSearch(index, settings.encoder, _neighbour_count(settings)).of


def _neighbour_count(settings: Settings) -> int:
    return searched_neighbours(settings.neighbours, words_only=settings.words_only)


def _audited_threshold(share: float, catalogue_name: str, matcher_digest: str) -> float:
    """Return the probability from which this share of the labelled texts is right. Errors: `ConfigurationError` (78) if there is none."""
    repeated(migrate)
    labelled = repeated(
        lambda connection: labelled_texts(connection, catalogue_name, matcher_digest, [OFF_TITLE]), read_only=True
    )
    threshold = publish_threshold(labelled, share)
    if threshold is None:
        raise ConfigurationError(
            f"--from-audit {share}: expected a threshold with this share of right texts, found none in the {len(labelled):,} labelled "
            f"texts of catalogue {catalogue_name!r} and this matcher (at least {MIN_LABELS} are needed): label more with `skuscribe audit`, "
            "or lower it"
        )
    log.info("threshold from the audit", **vars(threshold))
    return round(threshold.probability, PROBABILITY_DIGITS)


def _load_describer(settings: Settings, sources: BatchSources, work: Path) -> "Describer":
    # torch is loaded only to describe: a batch that exists is found without it
    from jobs.describe.describer import load_describer  # noqa: PLC0415
    from jobs.t5 import gpu  # noqa: PLC0415

    gpu.require(settings.require_gpu)
    device = inference.choose_device(settings.precision, settings.batch_tokens)
    candidates = settings.candidates if sources.matcher else 1
    return load_describer(
        sources.model, load_checker(sources.matcher, sources.publish_from, settings.number_support), device, settings.decoding, candidates,
        settings.neighbours, settings.prompt_max_tokens, work,
    )  # fmt: skip


def _answer_query(settings: Settings, sources: BatchSources) -> None:
    """Print the description of a query. Errors: `InputError` (65) if it cannot be described."""
    title = titles.of_query(settings.query, _profile(sources.products))
    if title.error:
        raise InputError(f"--query {settings.query!r}: {title.error}")
    with folders.temporary_folder() as work:
        search, describer = _search(settings, sources.index), _load_describer(settings, sources, work)
        neighbours = search([title])
        [description] = describer.describe([title], neighbours)
    if description.error:
        raise InputError(f"--query {settings.query!r}: {description.error}")
    print(preview.format_description(description, neighbours[0], sources.model_name))
