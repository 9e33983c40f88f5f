"""Train one shard of a run, or all shards.

Reads catalogue/NAME, the parent model and, with --retrieval-share, the index in Postgres. Writes runs/RUN/run.json and
runs/RUN/shard-00000 and so on; with --shards-at-once, also runs/RUN/merged/shard-00003 and so on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from jobs.process import folders, lifecycle, log
from jobs.process.lifecycle import Stop
from jobs.retrieval.settings import PROMPT_TOKENS
from jobs.steps import trained_shards
from jobs.storage import artifact, catalogue, runs
from jobs.storage.artifact import Artifact, Draft
from jobs.storage.store import Store
from jobs.train import recipes
from jobs.train.checkpoint_location import remove_checkpoints
from jobs.train.recipes import Recipe
from jobs.train.rounds import merge_if_complete, parent_of, require_trained_before
from jobs.train.settings import Settings, TrainingSettings
from jobs.train.training_run import ROUGE_MAX_TOKENS, RetrievalConfig, RoundsConfig, RuntimeOptions, TrainingRun


def run(settings: Settings) -> None:
    """Train one shard, or all.

    Errors: 65 the rows are bad, 75 the parent is not trained yet, 78 the run has another config, 143 interrupted.
    """
    training_run, options = _training_run(settings), _runtime_options(settings)
    shards = trained_shards(training_run.products.shards, settings.max_shards)
    if settings.index is not None and settings.index >= shards:
        log.info("nothing to do: no shard with this index", index=settings.index, shards=shards)
        return
    numbers = range(shards) if settings.index is None else [settings.index]
    if settings.only_check:
        _check(training_run, numbers)
        return
    digests = {f"{name}_digest": digest for name, digest in training_run.inputs.items()}
    runs.freeze(training_run.store, training_run.name, {**training_run.config, **digests})
    for shard in numbers:
        with lifecycle.deferred() as stop:
            _train_once(training_run, shard, options, stop)
        merge_if_complete(training_run, shard, shards)


def _check(training_run: TrainingRun, shards: Sequence[int]) -> None:
    """Log the first of these shards that is not trained yet. Errors: `NotReadyError` (75) if its training cannot start now."""
    for shard in shards:
        if artifact.find(training_run.store, training_run.spec(shard).path) is None:
            require_trained_before(training_run, shard)
            log.info("ready to be trained", shard=shard)
            return
    log.info("nothing to do: already trained", shards=len(shards))


def _training_run(settings: Settings) -> TrainingRun:
    store, recipe = Store(settings.store), chosen_recipe(settings)
    products, base_model = catalogue.require(store, settings.catalogue), runs.base_model(store, settings.model)
    return TrainingRun(
        store=store,
        name=settings.run,
        catalogue_name=settings.catalogue,
        products=products,
        base_model=base_model,
        base_model_source=_source(base_model, settings.model),
        recipe=recipe,
        seed=settings.seed,
        retrieval=_retrieval(settings),
        counterfactual_share=settings.counterfactual_share,
        rouge_rows=settings.rouge_rows,
        rounds=rounds_config(settings),
        config=_config(settings, recipe),
        inputs={"base_model": base_model.digest, "catalogue": products.digest},
    )


def _source(base_model: Artifact, name: str) -> str:
    """Return where a base model comes from: `OWNER/NAME@COMMIT` of the hub, or the address that it was fetched from."""
    figures = base_model.manifest.figures
    commit = figures.get("commit")
    return str(figures.get("source", name)) + (f"@{commit}" if commit else "")


def _runtime_options(settings: Settings) -> RuntimeOptions:
    return RuntimeOptions(
        save_every_seconds=settings.save_every_seconds,
        stall_seconds=60 * settings.stall_minutes,
        require_gpu=settings.require_gpu,
    )


def chosen_recipe(settings: TrainingSettings) -> Recipe:
    """Return the named recipe with the values that the settings replace."""
    recipe = recipes.by_name(settings.recipe)
    replaced = {
        name: getattr(settings, name)
        for name in vars(recipe)
        if name != "name" and getattr(settings, name, None) is not None
    }
    if settings.batch_rows is not None:
        replaced["target_tokens_per_batch"] = 0
    if settings.target_tokens_per_batch is not None:
        replaced |= {"batch_rows": 0, "window_rows": recipe.window_rows or recipes.FAST.window_rows}
    if settings.retrieval_share:
        replaced = {"max_source_tokens": PROMPT_TOKENS} | replaced
    return replace(recipe, **replaced)


def _retrieval(settings: Settings) -> RetrievalConfig | None:
    if not settings.retrieval_share:
        return None
    return RetrievalConfig(settings.retrieval_share, settings.neighbours, settings.encoder, settings.seed)


def rounds_config(settings: TrainingSettings) -> RoundsConfig:
    """Return how many shards are trained at once, and how their models are merged."""
    return RoundsConfig(settings.shards_at_once, settings.outer_learning_rate, settings.outer_momentum)


def _config(settings: Settings, recipe: Recipe) -> dict[str, Any]:
    """Return the settings that determine the weights, as manifests and `run.json` record them."""
    config = asdict(recipe)
    config["recipe"] = config.pop("name")
    config |= {
        "seed": settings.seed,
        "rouge_rows": settings.rouge_rows,
        "rouge_max_tokens": ROUGE_MAX_TOKENS,
        "catalogue": settings.catalogue,
        "model": settings.model,
    }
    if settings.retrieval_share:
        config |= settings.model_dump(include={"retrieval_share", "neighbours", "encoder"})
    if settings.counterfactual_share:
        config["counterfactual_share"] = settings.counterfactual_share
    return config | rounds_config(settings).recorded


def _train_once(training_run: TrainingRun, shard: int, options: RuntimeOptions, stop: Stop) -> None:
    def build(draft: Draft) -> Mapping[str, Any]:
        parent = parent_of(training_run, shard)
        from jobs.train.shard import train_shard  # noqa: PLC0415 - loads torch, which "already done" does not need

        with folders.temporary_folder() as work:
            return train_shard(draft, training_run, shard, parent, options, stop, work)

    trained = artifact.make_once(training_run.spec(shard), build)
    # The commit has removed the checkpoints, unless a concurrent writer committed first: then ours may still exist.
    remove_checkpoints(training_run.store, trained.path)
