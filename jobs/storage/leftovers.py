"""Leftovers of artifacts: objects of attempts that were not committed, and checkpoints, which no manifest names."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from jobs.process.errors import JobError
from jobs.storage.layout import ATTEMPT_PREFIX, CHECKPOINT_FOLDER, MANIFEST
from jobs.storage.manifest import File, read_manifest
from jobs.storage.store import Store, StoredObject


def sweep(store: Store, path: str, files: Mapping[str, File], *, replaceable: bool) -> None:
    """Remove the leftovers of a process that was killed right after its commit. `files`: those of the artifact at `path`.

    No attempt beside a committed artifact can be committed, except one that is to replace it. With `replaceable`, there may
    be one: it has uploaded nothing before the manifest was written, so only older objects are removed. They are compared with
    a manifest that was written before it is read, because it may have been replaced since `files` was read.
    """
    with suppress(JobError):
        found = unnamed(uploads(store, path), path, files)
        if found and replaceable:
            written = [stored.modified for stored in store.objects(f"{path}/{MANIFEST}")]
            current = read_manifest(store, path)
            if not written or current is None:
                return
            named = current[0].files
            found = [stored for stored in unnamed(uploads(store, path), path, named) if stored.modified < written[0]]
        delete_all(store, found)


def uploads(store: Store, path: str) -> Iterator[StoredObject]:
    """Yield the objects of all attempts and checkpoints below an artifact."""
    for prefix in (ATTEMPT_PREFIX, CHECKPOINT_FOLDER):
        yield from store.objects(f"{path}/{prefix}")


def unnamed(objects: Iterable[StoredObject], path: str, files: Mapping[str, File]) -> list[StoredObject]:
    """Return the objects that are not among the files of the artifact at `path`."""
    named = {f"{path}/{file.key}" for file in files.values()}
    return [stored for stored in objects if stored.key not in named]


def delete_all(store: Store, objects: Iterable[StoredObject]) -> None:
    """Delete objects, in their order."""
    for stored in list(objects):
        store.delete(stored.key)
