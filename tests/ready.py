"""A finished run for the tests that read one: a catalogue, its index, a base model and trained shards, made once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.index import job as index
from jobs.index.settings import Settings as IndexSettings
from jobs.process import folders
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from tests.environment import set_only
from tests.factories import write_catalogue, write_tiny_model

NAME = "ready"
SHARDS, ROWS_PER_SHARD, HELD_OUT = 2, 40, 12


@dataclass(frozen=True)
class Ready:
    """A run whose catalogue, base model, batch and run are called `NAME`: every shard trained, the catalogue indexed."""

    store: Store
    catalogue: Catalogue
    base: Artifact
    variables: Mapping[str, str]


def finish_run(services: Mapping[str, str]) -> Ready:
    """Make the run in the services of these environment variables. Nothing is trained: each shard has a model of its seed."""
    variables = {**services, "SKUSCRIBE_STORE": f"s3://skuscribe/{NAME}"}
    with _environment(variables):
        store = Store(variables["SKUSCRIBE_STORE"])
        catalogue = write_catalogue(store, NAME, SHARDS, ROWS_PER_SHARD, HELD_OUT)
        base = write_tiny_model(store, NAME, catalogue_name=NAME)
        for shard in range(SHARDS):
            write_trained_shard(store, NAME, shard, write_tiny_model(store, f"{NAME}-{shard}", shard, NAME))
        runs.freeze(store, NAME, {"catalogue": NAME, "model": NAME, "retrieval_share": 0.5})
        index.run(IndexSettings.model_validate({"store": store.url, "catalogue": NAME}))
        return Ready(store, catalogue, base, variables)


def write_trained_shard(store: Store, run: str, shard: int, model: Artifact) -> Artifact:
    """Commit a model as if it had been trained on a shard."""
    path = layout.trained_shard_path(run, shard)
    return _write_model(Spec(store, path, Kind.TRAINED_SHARD, {"shard": shard}, {}), model, {layout.METRICS_FILE: b""})


def write_merged_model(store: Store, run: str, shards: range, model: Artifact) -> Artifact:
    """Commit a model as if those of the shards had been merged into it."""
    path = layout.merged_model_path(run, shards[-1])
    return _write_model(Spec(store, path, Kind.MERGED_MODEL, {"shards": list(shards)}, {}), model, {})


def _write_model(spec: Spec, model: Artifact, files: Mapping[str, bytes]) -> Artifact:
    def add_files(draft: Draft, folder: Path) -> Mapping[str, int]:
        draft.add_folder(model.fetch_all(folder), layout.MODEL_PREFIX)
        for name, data in files.items():
            draft.add_bytes(name, data)
        return {"shard": spec.config["shard"]} if "shard" in spec.config else {}

    with folders.temporary_folder() as folder:
        return artifact.make_once(spec, lambda draft: add_files(draft, folder))


@contextmanager
def environment_of(run: Ready) -> Iterator[None]:
    """Set the environment variables by which a job finds the run, for the block."""
    with _environment(run.variables):
        yield


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for the block, and unset all others that a job, boto3 or libpq reads."""
    with pytest.MonkeyPatch.context() as patch:
        set_only(patch, variables)
        yield
