"""Train a shard's model from the model before it, or all shards in a chain.

Reads catalogue/NAME and the parent: the model of the shard before, for the first shard the base model; with
--retrieval-share, the index in Postgres. Writes runs/RUN/run.json once and runs/RUN/shard-00000: the model in transformers' own
layout, and its metrics. A state to go on from is saved every few minutes and when a signal comes; killed anywhere and
started again, the weights come out equal.
Try: skuscribe train --epochs 1 --target-tokens-per-batch 1024
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process import folders, lifecycle, log
from jobs.process.errors import ConfigurationError, InputError
from jobs.retrieval.settings import PROMPT_TOKENS
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store
from jobs.t5 import gpu, models
from jobs.train import batches, model_card, recipes
from jobs.train import checkpoint as training_state
from jobs.train import prompts as training_prompts
from jobs.train.checkpoint import Place
from jobs.train.recipes import Recipe
from jobs.train.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

    from jobs.train.trainer import Course, Measure


@dataclass(frozen=True)
class Chain:
    """What all shards of a run are trained with. `decisive` decides the weights; `origins` are the digests they come from."""

    store: Store
    products: Catalogue
    base: Artifact
    recipe: Recipe
    decisive: Mapping[str, Any]
    origins: Mapping[str, str]


def run(settings: Settings) -> None:
    """Train one shard, or all. Errors: 65 bad rows, 75 no parent yet, 78 another configuration, 143 interrupted."""
    chain = _chain(settings)
    shards = chain.products.shards
    if settings.index is not None and settings.index >= shards:
        raise ConfigurationError(
            f"--index {settings.index}: catalogue {settings.catalogue!r} has {shards} shards, 0 to {shards - 1}"
        )
    origins = {f"{name}_digest": digest for name, digest in chain.origins.items()}
    runs.freeze(chain.store, settings.run, {**chain.decisive, **origins})
    for shard in [settings.index] if settings.index is not None else range(shards):
        _train_shard(settings, chain, shard)


def _chain(settings: Settings) -> Chain:
    store, recipe = Store(settings.store), _recipe(settings)
    products, base = catalogue.require(store, settings.catalogue), runs.base_model(store, settings.model)
    decisive = {
        **asdict(recipe), "recipe": recipe.name, "seed": settings.seed, "rouge_rows": settings.rouge_rows,
        "rouge_max_tokens": settings.rouge_max_tokens, "catalogue": settings.catalogue, "model": settings.model,
    }  # fmt: skip
    del decisive["name"]
    if settings.retrieval_share:
        decisive |= settings.model_dump(include={"retrieval_share", "neighbours", "encoder"})
    return Chain(store, products, base, recipe, decisive, {"base_model": base.digest, "catalogue": products.digest})


def _recipe(settings: Settings) -> Recipe:
    """The named recipe with the settings that were given in place of its own."""
    recipe = recipes.by_name(settings.recipe)
    given = {
        name: getattr(settings, name)
        for name in vars(recipe)
        if name != "name" and getattr(settings, name, None) is not None
    }
    if settings.batch_rows is not None:
        given["target_tokens_per_batch"] = 0
    if settings.target_tokens_per_batch is not None:
        given |= {"batch_rows": 0, "window_rows": recipe.window_rows or recipes.FAST.window_rows}
    if settings.retrieval_share:
        given = {"max_source_tokens": PROMPT_TOKENS} | given
    return replace(recipe, **given)


def _train_shard(settings: Settings, chain: Chain, shard: int) -> None:
    store, path, decisive = (
        chain.store,
        layout.trained_shard_path(settings.run, shard),
        {**chain.decisive, "shard": shard},
    )
    if _already_done(store, path, decisive, chain.origins):
        return
    parent = chain.base if shard == 0 else _parent(store, settings.run, shard - 1, chain.base)
    with folders.temporary_folder() as work, lifecycle.deferred() as stop:
        table = chain.products.read_shard(shard, work)
        shown = _shown(settings, chain, shard, table) if settings.retrieval_share else None
        inputs = {**chain.origins, "parent": parent.digest} | ({"neighbours": shown.digest} if shown else {})
        place = Place(store, path, decisive, inputs)
        folder = parent.fetch_all(work / "parent", layout.MODEL_PREFIX if shard else "")
        gpu.require(settings.require_gpu)
        model, tokenizer = _load(folder)
        prompts = training_prompts.prompts(table, shown, work)
        course, measure = _prepare(settings, chain.recipe, shard, table, prompts, model, tokenizer, place)
        from jobs.train import trainer as training

        progress = training.train(course, model, measure, stop, work)
        child = work / "child"
        models.save(model.cpu(), child, folder)
        models.load(child)  # the head may be lost on the way to disk: look
        source = str(chain.base.manifest.figures.get("source", settings.model))
        card = model_card.card(settings.run, shard, inputs, source, chain.recipe, settings.seed, progress.records)
        (child / "README.md").write_text(card)
        rows = {"train_rows": len(course.lengths.target), "test_rows": table.num_rows - len(course.lengths.target)}
        figures = {"epochs": chain.recipe.epochs, "gpu": course.device.gpu, "seconds": progress.seconds}
        _commit(place, child, progress.records, rows | figures)


def _already_done(store: Store, path: str, decisive: Mapping[str, Any], origins: Mapping[str, str]) -> bool:
    """Whether the manifest stands; that of another configuration is an error (78)."""
    standing = artifact.find(store, path)
    if standing is None:
        return False
    artifact.done(store, path, decisive, {**standing.manifest.inputs, **origins})
    log.info("already done", artifact=store.at(path), validation_loss=standing.manifest.figures.get("validation_loss"))
    return True


def _parent(store: Store, run: str, shard: int, base: Artifact) -> Artifact:
    """The model of the shard before. Errors: 75 where it is not trained yet, 78 where it comes from another base model."""
    parent = runs.trained_shard(store, run, shard)
    if parent.manifest.inputs.get("base_model") != base.digest:
        raise ConfigurationError(
            f"{store.at(parent.path)} was trained from another base model than {store.at(base.path)}: name the model that this "
            "run began with, or start a new run with --run"
        )
    return parent


def _shown(settings: Settings, chain: Chain, shard: int, table: "pa.Table") -> Artifact:
    """What a share of the shard's titles are shown beside them."""
    return training_prompts.neighbours(
        chain.store, settings.run, shard, settings.catalogue, chain.products.digest, table,
        training_prompts.Choice(settings.retrieval_share, settings.neighbours, settings.encoder, settings.seed),
    )  # fmt: skip


def _load(folder: Path) -> "tuple[T5ForConditionalGeneration, PreTrainedTokenizerFast]":
    # One GPU a shard: with more in sight, the trainer would split batches. The workspace makes cuBLAS' bits the same each time.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    if torch.cuda.is_available():
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(True, warn_only=True)
    return models.load(folder), models.load_tokenizer(folder)


def _prepare(
    settings: Settings,
    recipe: Recipe,
    shard: int,
    table: "pa.Table",
    prompts: Sequence[str],
    model: "T5ForConditionalGeneration",
    tokenizer: "PreTrainedTokenizerFast",
    place: Place,
) -> "tuple[Course, Measure]":
    """Tokens, plan and what is measured after each epoch."""
    from jobs.train import epochs
    from jobs.train import trainer as training

    contents, sides = table["content"].to_pylist(), table["split"].to_pylist()
    halves = {
        split: [row for row, side in enumerate(sides) if side == split] for split in (catalogue.TRAIN, catalogue.TEST)
    }
    if not halves[catalogue.TRAIN]:
        raise InputError(
            f"shard {shard} of catalogue {settings.catalogue!r} has no training rows ({table.num_rows} rows in all): prepare it anew"
        )
    tokens = {
        split: batches.tokenise(
            tokenizer,
            [prompts[row] for row in rows],
            [contents[row] for row in rows],
            recipe.max_source_tokens,
            recipe.max_target_tokens,
        )
        for split, rows in halves.items()
    }
    lengths, device = batches.lengths_of(tokens[catalogue.TRAIN]), training.find_device()
    course = training.Course(
        shard, tokens[catalogue.TRAIN], lengths, batches.plan(lengths, recipe, settings.seed), recipe, device, settings.seed,
        place, settings.save_every_seconds,
    )  # fmt: skip
    references = [contents[row] for row in halves[catalogue.TEST][: settings.rouge_rows]]
    test = tokens[catalogue.TEST]
    return course, epochs.measuring(course, model, tokenizer, test, references, settings.rouge_max_tokens)


def _commit(place: Place, child: Path, records: list[dict[str, Any]], figures: dict[str, Any]) -> None:
    """Publish the child, then forget the states: the artifact sweeps them, and ours may be newer than a twin's."""
    lines = "".join(json.dumps(record) + "\n" for record in records)
    with artifact.draft(place.store, place.path, layout.Kind.TRAINED_SHARD, place.settings, place.inputs) as draft:
        draft.add_folder(child, layout.MODEL_PREFIX)
        draft.add_bytes(layout.METRICS_FILE, lines.encode(), measured=True)
        draft.commit(records[-1] | figures)
    training_state.remove_all(place)
    log.info("shard trained", artifact=place.store.at(place.path), validation_loss=records[-1]["validation_loss"])
