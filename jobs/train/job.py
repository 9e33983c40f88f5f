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

from pydantic import Field, model_validator

from jobs.train import batches, model_card, recipes, checkpoint as training_state
from jobs.t5 import models
from jobs.train.recipes import Recipe, RecipeName
from jobs.train.checkpoint import Place
from jobs.steps import RetrievalShare
from jobs.process import lifecycle, log
from jobs.process.errors import ConfigurationError, InputError
from jobs.process.settings import Name, unit
from jobs.storage import artifact, catalogue, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store
from jobs.train import prompts as training_prompts
from jobs.retrieval.settings import PROMPT_TOKENS, ModelSettings

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

    from jobs.train.trainer import Course, Measure

OF_RECIPE = "Default: the recipe's."


class Settings(ModelSettings):
    """What `train` can be told."""

    catalogue: Name = Field("main", description="The catalogue to train on.")
    run: Name = Field("main", description="The name of the chain of models.")
    model: Name = Field("base", description="The base model of the first shard.")
    recipe: RecipeName = Field("fast", description="`fast`, or `reference`: what the notebooks did.")
    seed: int = Field(13, ge=0, lt=2**32, description="Decides the order of the rows, and dropout.")
    retrieval_share: RetrievalShare = 0.0
    epochs: int | None = Field(
        None, ge=1, le=1000, description=f"How often each row is seen. {OF_RECIPE}", json_schema_extra=unit("epochs")
    )
    learning_rate: float | None = Field(None, gt=0, le=1, description=f"The highest learning rate. {OF_RECIPE}")
    weight_decay: float | None = Field(None, ge=0, le=1, description=f"AdamW's weight decay. {OF_RECIPE}")
    warmup: float | None = Field(
        None,
        ge=0,
        le=1,
        description=f"Over what share of the steps the learning rate rises. {OF_RECIPE}",
        json_schema_extra=unit("share of all steps"),
    )
    batch_rows: int | None = Field(
        None, ge=1, le=4096, description=f"Batches of so many rows. {OF_RECIPE}", json_schema_extra=unit("rows")
    )
    target_tokens_per_batch: int | None = Field(
        None,
        ge=64,
        le=1_000_000,
        description=f"Batches of so many target tokens, in place of rows. {OF_RECIPE}",
        json_schema_extra=unit("tokens"),
    )
    gradient_accumulation: int | None = Field(
        None, ge=1, le=1024, description=f"Batches per optimizer step. {OF_RECIPE}", json_schema_extra=unit("batches")
    )
    max_source_tokens: int | None = Field(
        None,
        ge=8,
        le=4096,
        description=f"Prompts are cut there. {OF_RECIPE[:-1]}, or {PROMPT_TOKENS} with --retrieval-share.",
        json_schema_extra=unit("tokens"),
    )
    max_target_tokens: int | None = Field(
        None, ge=8, le=4096, description=f"Descriptions are cut there. {OF_RECIPE}", json_schema_extra=unit("tokens")
    )
    max_gradient_norm: float | None = Field(
        None, gt=0, description=f"Longer gradients are scaled down to it. {OF_RECIPE}"
    )
    rouge_rows: int = Field(
        200,
        ge=0,
        le=100_000,
        description="After each epoch, answer so many test rows for ROUGE.",
        json_schema_extra=unit("rows"),
    )
    rouge_max_tokens: int = Field(
        128, ge=1, le=1024, description="Those answers are cut there.", json_schema_extra=unit("tokens")
    )
    save_every_seconds: float = Field(
        300, ge=0, description="How often a state to go on from is saved.", json_schema_extra=unit("seconds")
    )

    @model_validator(mode="after")
    def _one_way_to_fill_batches(self) -> "Settings":
        if self.batch_rows is not None and self.target_tokens_per_batch is not None:
            raise ValueError("--batch-rows and --target-tokens-per-batch exclude each other: give one")
        return self


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
    store, path, decisive = chain.store, runs.shard_path(settings.run, shard), {**chain.decisive, "shard": shard}
    if _already_done(store, path, decisive, chain.origins):
        return
    parent = chain.base if shard == 0 else _parent(store, settings.run, shard - 1, chain.base)
    with artifact.work_folder() as work, lifecycle.deferred() as stop:
        table = chain.products.read_shard(shard, work)
        shown = _shown(settings, chain, shard, table) if settings.retrieval_share else None
        inputs = {**chain.origins, "parent": parent.digest} | ({"neighbours": shown.digest} if shown else {})
        place = Place(store, path, decisive, inputs)
        folder = parent.fetch_all(work / "parent", runs.MODEL_PREFIX if shard else "")
        settings.check_gpu()
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
    log.fact("already done", artifact=store.at(path), validation_loss=standing.manifest.figures.get("validation_loss"))
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
    from jobs.train import epochs, trainer as training

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
    with artifact.draft(place.store, place.path, runs.SHARD_KIND, place.settings, place.inputs) as draft:
        draft.add_folder(child, runs.MODEL_PREFIX)
        draft.add_bytes(runs.METRICS_FILE, lines.encode(), measured=True)
        draft.commit(records[-1] | figures)
    training_state.remove_all(place)
    log.fact("shard trained", artifact=place.store.at(place.path), validation_loss=records[-1]["validation_loss"])
