"""A run: models, from a base model over the shards of one catalogue, each shard after the other or several at once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.differences import differences
from jobs.storage.layout import MANIFEST, MODEL_PREFIX, Kind
from jobs.storage.store import Store


def freeze(store: Store, run: str, config: Mapping[str, Any]) -> None:
    """Write `run.json`, or check that the existing one has the same content.

    Errors: `ConfigurationError` (78) naming each setting that differs.
    """
    key = layout.run_config_path(run)
    if store.write_if_absent(key, json.dumps(config, indent=1, sort_keys=True).encode()):
        return
    found = differences(read_config(store, run), config)
    if found:
        raise ConfigurationError(
            f"run {run!r} ({store.at(key)}) was started with different settings: {'; '.join(found)}. Give the new "
            "run another name with --run (settings.run of the chart), or delete this one with "
            f"`skuscribe delete --path {layout.run_path(run)}`"
        )


def find_config(store: Store, run: str) -> dict[str, Any] | None:
    """Return the frozen configuration of a run, None if the run has not started. Errors: `InputError` (65) if it is damaged."""
    key = layout.run_config_path(run)
    data = store.read(key)
    if data is None:
        return None
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{store.at(key)} is not the configuration of a run ({type(error).__name__}: {error}): restore it from a copy of the "
            "store, or give the new run another name with --run (settings.run of the chart)"
        ) from error


def read_config(store: Store, run: str) -> dict[str, Any]:
    """Return the frozen configuration of a run. Errors: `NotReadyError` (75) if the run has not started."""
    config = find_config(store, run)
    if config is None:
        raise NotReadyError(
            f"run {run!r} has not started in {store.at(layout.run_path(run))}: `skuscribe train --run {run}` starts it"
        )
    return config


def require_catalogue(config: Mapping[str, Any], run: str, catalogue: str) -> None:
    """Raise `ConfigurationError` (78) if the run's configuration names another catalogue."""
    trained_on = config.get("catalogue", catalogue)
    if trained_on != catalogue:
        raise ConfigurationError(
            f"run {run!r} is trained on catalogue {trained_on!r}, not on {catalogue!r}: use --catalogue {trained_on}"
        )


def shards_at_once(config: Mapping[str, Any]) -> int:
    """Return how many shards of a run are trained at the same time. `config`: the run's configuration, empty if it has not started."""
    return int(config.get("shards_at_once", 1))


def first_of_round(shard: int, at_once: int) -> int:
    """Return the first of the shards that are trained at the same time as this one, `at_once` from the same model."""
    return shard - shard % at_once


def model_after(store: Store, run: str, config: Mapping[str, Any], shard: int) -> Artifact:
    """Return the model of a run after a shard: the trained shard's, or the one that the models of its round were merged into.

    `config`: the run's configuration, empty if it has not started. Errors: `NotReadyError` (75) if it does not exist yet.
    """
    if shards_at_once(config) == 1:
        return trained_shard(store, run, shard)
    path = layout.merged_model_path(run, shard)
    return artifact.require(store, path, Kind.MERGED_MODEL, f"train --run {run}")


def fetch_model(model: Artifact, folder: Path) -> Path:
    """Download a base model, or the model of a trained shard or of merged ones. Returns the folder of its files."""
    return model.fetch_all(folder, "" if model.manifest.kind == Kind.MODEL else MODEL_PREFIX)


def trained_shard(store: Store, run: str, shard: int) -> Artifact:
    """Return the artifact of a trained shard. Errors: `NotReadyError` (75) if it is not trained yet."""
    path = layout.trained_shard_path(run, shard)
    return artifact.require(store, path, Kind.TRAINED_SHARD, f"train --run {run} --index {shard}")


def merged_models(store: Store, run: str, config: Mapping[str, Any], shards: int) -> dict[int, Artifact]:
    """Return the merged models of a run, by the last shard of their round. Empty for a chain, and before the first one.

    `config`: the run's configuration; `shards`: the number of shards of its catalogue.
    """
    if shards_at_once(config) == 1:
        return {}
    return _existing(store, {shard: layout.merged_model_path(run, shard) for shard in range(shards)})


def find_trained(store: Store, run: str, shards: Sequence[int]) -> dict[int, Artifact]:
    """Return the artifacts of those of the shards that are trained."""
    return _existing(store, {shard: layout.trained_shard_path(run, shard) for shard in shards})


def _existing(store: Store, paths: Mapping[int, str]) -> dict[int, Artifact]:
    found = artifact.find_all(store, list(paths.values()))
    return {shard: model for shard, model in zip(paths, found, strict=True) if model is not None}


def outdated_shards(
    trained: Mapping[int, Artifact], merged: Mapping[int, Artifact], config: Mapping[str, Any]
) -> list[int]:
    """Return the trained shards that do not start from the current model of the round before, and all shards of later rounds.

    `trained`: the artifacts by shard; `merged`: as `merged_models()` returns them; `config`: the run's configuration. In a chain, a
    round has one shard. A shard whose manifest does not record its parent, or whose parent is missing, is not outdated by itself.
    """
    at_once = shards_at_once(config)
    parents = trained if at_once == 1 else merged
    outdated = {
        shard
        for shard, model in trained.items()
        if (parent := parents.get(first_of_round(shard, at_once) - 1)) is not None
        and model.manifest.inputs.get("parent", parent.digest) != parent.digest
    }
    if not outdated:
        return []
    next_round = first_of_round(min(outdated), at_once) + at_once
    return sorted(shard for shard in trained if shard in outdated or shard >= next_round)


def describe_outdated(run: str, outdated: Sequence[int], config: Mapping[str, Any]) -> str:
    """Return a sentence that names the outdated shards of a run, of which there is at least one, and says what to do.

    `config`: the run's configuration.
    """
    before = first_of_round(outdated[0], shards_at_once(config)) - 1
    previous, first, last = (layout.trained_shard_name(shard) for shard in (before, outdated[0], outdated[-1]))
    model = "model of" if shards_at_once(config) == 1 else "merged model after"
    path = layout.run_path(run)
    later, manifests, again = "", f"{path}/{first}/{MANIFEST}", "it"
    if len(outdated) > 1:
        later = f", so `{first}` to `{last}` are outdated"
        manifests, again = f"{MANIFEST} of each of them in {path}", "them"
    return (
        f"`{first}` was not trained from the current {model} `{previous}`{later}: remove {manifests}, and "
        f"`skuscribe train --run {run}` with the settings of the run trains {again} again"
    )


def outdated_merges(
    trained: Mapping[int, Artifact], merged: Mapping[int, Artifact], config: Mapping[str, Any]
) -> list[int]:
    """Return the last shards of the merged models that were made from other models of their shards than the current ones.

    `trained`, `merged`, `config`: as in `outdated_shards()`. A model that does not record its shards, or whose shard is missing, is not
    outdated. With --max-shards, a round can be merged again with more shards: the model with fewer shards is not compared.
    """
    current = {layout.trained_shard_name(shard): model.digest for shard, model in trained.items()}
    newest = {last // shards_at_once(config): last for last in sorted(merged)}
    return [
        last
        for last in newest.values()
        if any(current.get(name, digest) != digest for name, digest in merged[last].manifest.inputs.items())
    ]


def describe_outdated_merges(run: str, outdated: Sequence[int]) -> str:
    """Return a sentence that names the outdated merged models of a run, of which there is at least one, and says what to do."""
    names = ", ".join(f"`merged/{layout.trained_shard_name(last)}`" for last in outdated)
    verb = "was" if len(outdated) == 1 else "were"
    return (
        f"{names} {verb} not merged from the current models of the shards: `skuscribe train --run {run}` with the settings of the run "
        "merges them again"
    )


def base_model(store: Store, name: str) -> Artifact:
    """Return the artifact of a base model. Errors: `NotReadyError` (75) if it has not been fetched."""
    return artifact.require(store, layout.model_path(name), Kind.MODEL, f"fetch-model --model {name}")
