"""Rounds: several shards are trained at the same time from one model, and their models are merged into the next one.

Any process may merge a round: the one that trains its last shard does, or else one of the next round. Importing this module does
not load torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.process import folders, log
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.steps import rounds
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.layout import Kind
from jobs.train.training_run import TrainingRun


def parent_of(run: TrainingRun, shard: int) -> Artifact:
    """Return the model that the training of a shard starts from: that of the round before, or the base model in the first round.

    Errors: `NotReadyError` (75) if a shard of the round before is not trained yet, `ConfigurationError` (78) if one has another base
    model, or if the round of this shard has one with another parent.
    """
    at_once = run.rounds.shards_at_once
    first = runs.first_of_round(shard, at_once)
    if first == 0:
        parent = run.base_model
    elif at_once == 1:
        parent = runs.trained_shard(run.store, run.name, shard - 1)
        _require_base_model(run, parent)
    else:
        parent = merged_model(run, range(first - at_once, first))
    if at_once > 1:
        _require_one_parent(run, range(first, first + at_once), parent)
    return parent


def require_trained_before(run: TrainingRun, shard: int) -> None:
    """Raise `NotReadyError` (75) unless the model that the training of a shard starts from exists, or can be merged now."""
    at_once = run.rounds.shards_at_once
    first = runs.first_of_round(shard, at_once)
    if first == 0:
        return
    before = range(first - at_once, first)
    merged = at_once > 1 and artifact.find(run.store, layout.merged_model_path(run.name, before[-1]))
    if not merged:
        _require_all(run, before, runs.find_trained(run.store, run.name, before))


def merge_if_complete(run: TrainingRun, shard: int, trained_shards: int) -> None:
    """Merge the round of a shard if all of its shards are trained and a round has several. Errors: as `parent_of()`."""
    if run.rounds.shards_at_once == 1:
        return
    shards = rounds(trained_shards, run.rounds.shards_at_once)[shard // run.rounds.shards_at_once]
    if missing := _missing(shards, runs.find_trained(run.store, run.name, shards)):
        log.info("round not complete", missing=", ".join(map(str, missing)))
    else:
        merged_model(run, shards)


def merged_model(run: TrainingRun, shards: Sequence[int]) -> Artifact:
    """Return the model that the models of these shards are merged into, which is made if it does not exist. Errors: as `parent_of()`."""
    trained = runs.find_trained(run.store, run.name, shards)
    path = layout.merged_model_path(run.name, shards[-1])
    existing = artifact.find(run.store, path)
    if existing is not None and _recorded(trained).items() <= existing.manifest.inputs.items():
        _require_base_model(run, existing)
        return existing
    _require_all(run, shards, trained)
    parent = parent_of(run, shards[0])
    if existing is not None:
        log.warning("merged again: a shard has another model now, and later rounds are outdated", artifact=existing.url)

    def build(draft: Draft) -> Mapping[str, Any]:
        from jobs.train.merging import merge  # noqa: PLC0415 - loads torch, which a merged model that exists does not need

        with folders.temporary_folder() as work:
            return merge(draft, run, trained, parent, work)

    config = {**run.rounds.recorded, "shards": list(shards)}
    inputs = {**run.inputs, "parent": parent.digest, **_recorded(trained)}
    # A shard whose manifest was removed may have another model now.
    return artifact.make_once(Spec(run.store, path, Kind.MERGED_MODEL, config, inputs), build, replace_outdated=True)


def _recorded(trained: Mapping[int, Artifact]) -> dict[str, str]:
    """Return the digests of trained shards as the merged model records them."""
    return {layout.trained_shard_name(shard): model.digest for shard, model in trained.items()}


def _require_all(run: TrainingRun, shards: Sequence[int], trained: Mapping[int, Artifact]) -> None:
    """Raise `NotReadyError` (75) if one of the shards of a round is not among the trained ones."""
    missing = _missing(shards, trained)
    if not missing:
        return
    index = f" --index {missing[0]}" if len(missing) == 1 else ""
    merged = f", and the shards {shards[0]} to {shards[-1]}, which are trained at the same time, are merged when all of them are"
    raise NotReadyError(
        f"run {run.name!r}: {_are(missing)} not trained yet{merged if len(shards) > 1 else ''}: "
        f"`skuscribe train --run {run.name}{index}` trains what is missing"
    )


def _missing(shards: Sequence[int], trained: Mapping[int, Artifact]) -> list[int]:
    return [shard for shard in shards if shard not in trained]


def _are(shards: Sequence[int]) -> str:
    """Return the shards as the subject of a sentence: `shard 2 is`, `shards 2, 3 are`."""
    return f"shard {shards[0]} is" if len(shards) == 1 else f"shards {', '.join(map(str, shards))} are"


def _require_base_model(run: TrainingRun, model: Artifact) -> None:
    if model.manifest.inputs.get("base_model") != run.base_model.digest:
        raise ConfigurationError(
            f"{model.url} was trained from another base model than {run.base_model.url}: pass the base model of this run with "
            "--model, or start a new run with --run"
        )


def _require_one_parent(run: TrainingRun, shards: Sequence[int], parent: Artifact) -> None:
    """Raise `ConfigurationError` unless the trained ones of these shards were trained from `parent`."""
    trained = runs.find_trained(run.store, run.name, shards)
    for model in trained.values():
        _require_base_model(run, model)
    others = [model for model in trained.values() if model.manifest.inputs.get("parent") != parent.digest]
    if others:
        manifests = ", ".join(f"{model.url}/{layout.MANIFEST}" for model in others)
        raise ConfigurationError(
            f"a shard of this round was not trained from {parent.url} as it is now, so its model cannot be merged with the others: remove "
            f"{manifests}, and `skuscribe train --run {run.name}` trains again what is missing"
        )
