"""Rounds: several shards are trained at the same time from one model, and their models are merged into the next one.

Any process may merge a round: the one that trains its last shard does, or else one of the next round. Importing this module does
not load torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.process import folders
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.steps import rounds
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.layout import Kind
from jobs.train.training_run import TrainingRun


def parent_of(run: TrainingRun, shard: int) -> Artifact:
    """Return the model that the training of a shard starts from: that of the round before, or the base model in the first round.

    Errors: `NotReadyError` (75) if a shard of the round before is not trained yet, `ConfigurationError` (78) if one has another base
    model, or another parent than the others of its round.
    """
    first = shard - shard % run.outer.shards_at_once
    if first == 0:
        return run.base_model
    before = range(first - run.outer.shards_at_once, first)
    if run.outer.shards_at_once > 1:
        return merged_model(run, before)
    model = runs.trained_shard(run.store, run.name, before[-1])
    _require_base_model(run, model)
    return model


def merge_if_complete(run: TrainingRun, shard: int, trained_shards: int) -> None:
    """Merge the round of a shard if all of its shards are trained and a round has several. Errors: as `parent_of()`."""
    if run.outer.shards_at_once == 1:
        return
    shards = rounds(trained_shards, run.outer.shards_at_once)[shard // run.outer.shards_at_once]
    if None not in _find(run, shards):
        merged_model(run, shards)


def merged_model(run: TrainingRun, shards: Sequence[int]) -> Artifact:
    """Return the model that the models of these shards are merged into, which is made if it does not exist. Errors: as `parent_of()`."""
    found = _find(run, shards)
    trained = [model for model in found if model is not None]
    if len(trained) < len(shards):
        missing = ", ".join(str(shard) for shard, model in zip(shards, found, strict=True) if model is None)
        raise NotReadyError(
            f"shard {missing} of run {run.name!r} is not trained yet, and the shards {shards[0]} to {shards[-1]}, which are trained at the "
            f"same time, are merged when all of them are: `skuscribe train --run {run.name} --index {missing}` trains it"
        )
    parent = parent_of(run, shards[0])
    for shard, model in zip(shards, trained, strict=True):
        _require_base_model(run, model)
        _require_parent(run, shard, model, parent)

    def build(draft: Draft) -> Mapping[str, Any]:
        from jobs.train.merging import merge  # noqa: PLC0415 - loads torch, which a merged model that exists does not need

        with folders.temporary_folder() as work:
            return merge(draft, run, shards, trained, parent, work)

    names = [layout.trained_shard_name(shard) for shard in shards]
    inputs = {name: model.digest for name, model in zip(names, trained, strict=True)}
    spec = Spec(
        run.store,
        layout.merged_model_path(run.name, shards[-1]),
        Kind.MERGED_MODEL,
        {**run.outer.config, "shards": list(shards)},
        {**run.inputs, "parent": parent.digest, **inputs},
    )
    # A shard whose manifest was removed may have another model now.
    return artifact.make_once(spec, build, replace_outdated=True)


def _find(run: TrainingRun, shards: Sequence[int]) -> list[Artifact | None]:
    return artifact.find_all(run.store, [layout.trained_shard_path(run.name, shard) for shard in shards])


def _require_base_model(run: TrainingRun, model: Artifact) -> None:
    if model.manifest.inputs.get("base_model") != run.base_model.digest:
        raise ConfigurationError(
            f"{model.url} was trained from another base model than {run.base_model.url}: pass the base model of this run with "
            "--model, or start a new run with --run"
        )


def _require_parent(run: TrainingRun, shard: int, model: Artifact, parent: Artifact) -> None:
    if model.manifest.inputs.get("parent") != parent.digest:
        raise ConfigurationError(
            f"{model.url} was not trained from {parent.url} as it is now, so it cannot be merged with the other shards of its round: "
            f"remove {model.url}/{layout.MANIFEST}, and `skuscribe train --run {run.name} --index {shard}` trains it again"
        )
