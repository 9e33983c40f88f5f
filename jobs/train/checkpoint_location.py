"""Where the checkpoints of a shard are in the store. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.storage import artifact, layout
from jobs.storage.store import Store


@dataclass(frozen=True)
class CheckpointLocation:
    """The checkpoints of one shard. `path` is the path of its artifact; checkpoints of another config or inputs are not used."""

    store: Store
    path: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    def at(self, step: int) -> str:
        """Return the path of the checkpoint after `step` optimizer steps."""
        return f"{_folder(self.path)}{layout.checkpoint_name(step)}"

    def paths(self) -> list[str]:
        """Return the paths of the checkpoints, complete or not, in the order of their steps."""
        return checkpoint_paths(self.store, self.path)


def checkpoint_paths(store: Store, shard_path: str) -> list[str]:
    """Return the paths of a shard's checkpoints, complete or not, in the order of their steps."""
    folder = _folder(shard_path)
    # from the objects, because some servers also list folders that have become empty
    paths = {folder + stored.key.removeprefix(folder).split("/")[0] for stored in store.objects(folder)}
    return sorted(paths, key=layout.checkpoint_step)


def remove_checkpoints(store: Store, shard_path: str) -> None:
    """Remove all checkpoints of a shard."""
    for path in checkpoint_paths(store, shard_path):
        artifact.remove(store, path)


def _folder(shard_path: str) -> str:
    return f"{shard_path}/{layout.CHECKPOINT_FOLDER}"
