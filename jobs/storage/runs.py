"""A run: a chain of models, from a base model over the shards of one catalogue."""

import json
from collections.abc import Mapping
from typing import Any

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from jobs.storage.store import Store


def freeze(store: Store, run: str, config: Mapping[str, Any]) -> None:
    """Write `run.json`, or check that the existing one has the same content.

    Errors: `ConfigurationError` (78) naming each setting that differs.
    """
    key = layout.run_config_path(run)
    if store.write_if_absent(key, json.dumps(config, indent=1, sort_keys=True).encode()):
        return
    existing = read_config(store, run)
    differences = [
        f"{name} was {existing.get(name)!r}, now {config.get(name)!r}"
        for name in sorted({*existing, *config})
        if existing.get(name) != config.get(name)
    ]
    if differences:
        raise ConfigurationError(
            f"run {run!r} ({store.at(key)}) was started with different settings: {'; '.join(differences)}. Give the new "
            "run another name with --run (settings.run of the chart)"
        )


def find_config(store: Store, run: str) -> dict[str, Any] | None:
    """Return the frozen configuration of a run, None if the run has not started."""
    data = store.read(layout.run_config_path(run))
    return None if data is None else dict(json.loads(data))


def read_config(store: Store, run: str) -> dict[str, Any]:
    """Return the frozen configuration of a run. Errors: `NotReadyError` (75) if the run has not started."""
    config = find_config(store, run)
    if config is None:
        raise NotReadyError(
            f"run {run!r} has not started in {store.at(layout.run_path(run))}: `skuscribe train --run {run}` starts it"
        )
    return config


def trained_shard(store: Store, run: str, shard: int) -> Artifact:
    """Return the artifact of a trained shard. Errors: `NotReadyError` (75) if it is not trained yet."""
    path = layout.trained_shard_path(run, shard)
    return artifact.require(store, path, Kind.TRAINED_SHARD, f"train --run {run} --index {shard}")


def base_model(store: Store, name: str) -> Artifact:
    """Return the artifact of a base model. Errors: `NotReadyError` (75) if it has not been fetched."""
    return artifact.require(store, layout.model_path(name), Kind.MODEL, f"fetch-model --model {name}")
