"""A run: one chain of models, from a base model over the shards of one catalogue.

runs/RUN/run.json   its frozen configuration, written once by whichever job needs it first
runs/RUN/shard-00007/   one artifact a shard: model/..., metrics.jsonl
"""

import json
from collections.abc import Mapping
from typing import Any

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store

MODEL_PREFIX = "model/"
METRICS_FILE = "metrics.jsonl"
MODEL_KIND, SHARD_KIND = "model", "trained-shard"


def model_path(name: str) -> str:
    """Where a base model lives in the store."""
    return f"models/{name}"


def run_path(run: str) -> str:
    """Where a run lives in the store."""
    return f"runs/{run}"


def shard_path(run: str, shard: int) -> str:
    """Where the model that was trained on a shard lives in the store."""
    return f"runs/{run}/shard-{shard:05d}"


def freeze(store: Store, run: str, configuration: Mapping[str, Any]) -> None:
    """Write `run.json`, or check that the one that stands says the same.

    Errors: `ConfigurationError` (78) naming each setting that differs.
    """
    key = f"{run_path(run)}/run.json"
    data = json.dumps(configuration, indent=1, sort_keys=True).encode()
    if store.write_if_absent(key, data):
        return
    standing = read_configuration(store, run)
    differences = [
        f"{name} was {standing.get(name)!r}, now {configuration.get(name)!r}"
        for name in sorted({*standing, *configuration})
        if standing.get(name) != configuration.get(name)
    ]
    if differences:
        raise ConfigurationError(
            f"run {run!r} ({store.at(key)}) was started otherwise: {'; '.join(differences)}. "
            "Give the new run a name of its own with --run"
        )


def read_configuration(store: Store, run: str) -> dict[str, Any]:
    """The frozen configuration of a run. Errors: `NotReadyError` (75) where the run has not begun."""
    data = store.read(f"{run_path(run)}/run.json")
    if data is None:
        raise NotReadyError(
            f"run {run!r} has not begun in {store.at(run_path(run))}: `skuscribe train --run {run}` starts it"
        )
    return dict(json.loads(data))


def trained_shard(store: Store, run: str, shard: int) -> Artifact:
    """The committed artifact of a trained shard. Errors: `NotReadyError` (75) where it is not trained yet."""
    return artifact.require(store, shard_path(run, shard), SHARD_KIND, f"train --run {run} --index {shard}")


def base_model(store: Store, name: str) -> Artifact:
    """The committed base model. Errors: `NotReadyError` (75) where it has not been fetched."""
    return artifact.require(store, model_path(name), MODEL_KIND, f"fetch-model --model {name}")
