"""Estimate time, memory, storage and cost of a training before it runs.

Reads catalogue/NAME and models/NAME. Changes nothing. Prints a table, whose last column says what a figure assumes.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerFast, T5Config

from jobs.estimate import plan, table
from jobs.estimate.rows import SAMPLED_ROWS, AddedTexts, SampledRows, resized, sampled_rows
from jobs.estimate.settings import Settings
from jobs.process import folders, log
from jobs.steps import trained_shards
from jobs.storage import catalogue, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import TRAIN, Catalogue
from jobs.storage.layout import STATISTICS_FILE
from jobs.storage.store import Store
from jobs.t5 import models
from jobs.t5.files import CONFIG_FILE, TOKENIZER_FILES
from jobs.train import gpus
from jobs.train.examples import no_training_rows
from jobs.train.job import chosen_recipe, rounds_config
from jobs.train.recipes import Recipe


@dataclass(frozen=True)
class BaseModel:
    """The shape of a base model, and its tokenizer."""

    config: T5Config
    tokenizer: PreTrainedTokenizerFast


def run(settings: Settings) -> None:
    """Print the estimate.

    Errors: `NotReadyError` (75) if the catalogue or the base model does not exist; `InputError` (65) if the sampled shard has no
    training rows, or the base model is not a T5; `ConfigurationError` (78) for more batches per step than rows.
    """
    store, gpu = Store(settings.store), gpus.by_name(settings.gpu)
    recipe, rounds = chosen_recipe(settings), rounds_config(settings)
    products, base = catalogue.require(store, settings.catalogue), runs.base_model(store, settings.model)
    shards = range(trained_shards(products.shards, settings.max_shards))
    if settings.index is not None and settings.index not in shards:
        log.info("nothing to do: no shard with this index", index=settings.index, shards=len(shards))
        return
    trained = [settings.index] if settings.index is not None else list(shards)
    with folders.temporary_folder() as work:
        model = _read_model(base, work)
        sample = _read_sample(settings, products, trained[0], model.tokenizer, recipe, work)
        rows = _training_rows(products, trained, sample, work)
    plans = plan.shard_plans(sample.lengths, rows, model.config, recipe, gpu, settings.seed)
    lengths = resized(sample.lengths, sample.rows, settings.seed)
    needed = plan.step_memory(lengths, model.config, recipe, settings.seed)
    fitting = None
    if not needed.fits(gpu):
        fitting = plan.fitting_recipe(lengths, model.config, recipe, gpu, settings.seed)
    lines = [
        *table.catalogue_lines(
            settings.catalogue, products.artifact.manifest.figures.get("kept"), products.shards, plans
        ),
        *table.training_lines(
            recipe,
            plans,
            trained[0],
            sample,
            gpu,
            retrieval=settings.retrieval_share > 0,
            rounds_config=rounds,
        ),
        *table.memory_lines(needed, fitting, gpu, model.config),
        *table.storage_lines(model.config, len(plans), rounds),
        *table.cost_lines(plans, settings.gpu_hour_price),
    ]
    print("\n".join(table.aligned(lines)))


def _read_model(base: Artifact, work: Path) -> BaseModel:
    folder = work / "model"
    for name in (CONFIG_FILE, *TOKENIZER_FILES):
        if name in base.manifest.files:
            base.fetch(name, folder)
    tokenizer = models.load_tokenizer(folder)
    return BaseModel(T5Config.from_pretrained(folder, local_files_only=True), tokenizer)


def _read_sample(
    settings: Settings,
    products: Catalogue,
    shard: int,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    work: Path,
) -> SampledRows:
    added = AddedTexts(settings.retrieval_share, settings.neighbours, settings.counterfactual_share, settings.seed)
    rows = products.read_shard(shard, work)
    if TRAIN not in rows["split"].to_pylist():
        raise no_training_rows(f"shard {shard} of catalogue {settings.catalogue!r}", rows.num_rows)
    return sampled_rows(rows, shard, tokenizer, recipe, added, SAMPLED_ROWS)


def _training_rows(products: Catalogue, shards: list[int], sample: SampledRows, work: Path) -> list[int]:
    """Return the training rows of each shard, counterfactual rows included, whose share is that of the sampled shard, the first one.

    A catalogue without statistics has as many in each shard as in the sampled one.
    """
    statistics = json.loads(products.artifact.fetch(STATISTICS_FILE, work).read_text()).get("shards")
    if not statistics:
        return [sample.rows] * len(shards)
    added_share = sample.counterfactual_rows / (sample.rows - sample.counterfactual_rows)
    return [round(max(statistics[shard]["train"], 1) * (1 + added_share)) for shard in shards]
