"""A finished run to ask: a catalogue, its index, a base model and trained shards, made once for all tests that read them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.process import folders
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store
from tests.factories import write_catalogue, write_tiny_model

NAME = "ready"
SHARDS, ROWS_PER_SHARD, HELD_OUT = 2, 40, 12


@dataclass(frozen=True)
class Ready:
    """What stands: a catalogue, a model and a run of this name, every shard trained, an index in Postgres."""

    store: Store
    catalogue: Catalogue
    base: Artifact
    variables: Mapping[str, str]


@contextmanager
def variables_of(chosen: Mapping[str, str]) -> Iterator[None]:
    """The environment of a user of the services, and of nothing else of ours."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("SKUSCRIBE_", "AWS_", "PG")):
                patch.delenv(name)
        for name, value in chosen.items():
            patch.setenv(name, value)
        yield


def finish_run(services: Mapping[str, str]) -> Ready:
    """Make it. The models of the shards are the base model and one of another seed: nothing is trained."""
    chosen = {**services, "SKUSCRIBE_STORE": f"s3://skuscribe/{NAME}"}
    with variables_of(chosen):
        store = Store(chosen["SKUSCRIBE_STORE"])
        catalogue = write_catalogue(store, NAME, SHARDS, ROWS_PER_SHARD, HELD_OUT)
        base = write_tiny_model(store, NAME, catalogue_name=NAME)
        for shard in range(SHARDS):
            write_trained_shard(store, NAME, shard, write_tiny_model(store, f"{NAME}-{shard}", shard, NAME))
        runs.freeze(store, NAME, {"catalogue": NAME, "model": NAME})
        index.run(index_settings.Settings.model_validate({"store": store.url, "catalogue": NAME}))
        return Ready(store, catalogue, base, chosen)


def write_trained_shard(store: Store, run: str, shard: int, model: Artifact) -> Artifact:
    """Commit a model as if it had been trained on a shard."""
    with (
        folders.temporary_folder() as work,
        artifact.draft(
            store, layout.trained_shard_path(run, shard), layout.Kind.TRAINED_SHARD, {"shard": shard}, {}
        ) as draft,
    ):
        draft.add_folder(model.fetch_all(work), layout.MODEL_PREFIX)
        draft.add_bytes(layout.METRICS_FILE, b"")
        return draft.commit({"shard": shard})
