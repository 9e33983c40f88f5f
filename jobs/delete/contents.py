"""What the store has of a unit, and what was made from it.

A manifest or a `run.json` that cannot be read prevents no deletion, also not that of its own unit.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.delete.unit import Unit
from jobs.process import log
from jobs.process.errors import InputError
from jobs.process.parallel import in_threads
from jobs.storage import artifact, layout, runs
from jobs.storage.layout import MANIFEST, RUN_CONFIG
from jobs.storage.manifest import Manifest
from jobs.storage.store import Store, StoredObject

UNREADABLE = "its manifest cannot be read"


def manifests(store: Store) -> dict[str, Manifest | None]:
    """Return the manifest of every committed artifact of the store by its path, None and a warning for one that cannot be read."""
    paths = list(artifact.paths(store))
    return dict(zip(paths, in_threads(lambda path: _manifest(store, path), paths), strict=True))


def _manifest(store: Store, path: str) -> Manifest | None:
    try:
        found = artifact.find(store, path)
    except InputError as error:
        log.warning("manifest not readable", reason=str(error))
        return None
    return found.manifest if found is not None else None  # removed since it was listed


@dataclass(frozen=True)
class StoredArtifact:
    """The objects of an artifact, without those of the artifacts below it. `kind` is empty for objects of no artifact."""

    path: str
    kind: str
    objects: int
    bytes: int


def artifacts_of(
    unit: Unit, objects: Sequence[StoredObject], known: Mapping[str, Manifest | None]
) -> list[StoredArtifact]:
    """Return the artifacts that the objects of a unit belong to, sorted by path. Each object counts once."""
    count, size = Counter[str](), Counter[str]()
    for stored in objects:
        owner = _owner(unit, stored.key, known)
        count[owner] += 1
        size[owner] += stored.size
    return [StoredArtifact(path, _kind(known, path), count[path], size[path]) for path in sorted(count)]


def _owner(unit: Unit, key: str, known: Collection[str]) -> str:
    """Return the path of the artifact that is nearest above an object, or that of the unit."""
    path = key
    while path != unit.path:
        path = path.rpartition("/")[0]
        if path in known:
            return path
    return path


def _kind(known: Mapping[str, Manifest | None], path: str) -> str:
    if path not in known:
        return ""
    manifest = known[path]
    return UNREADABLE if manifest is None else manifest.kind


def made_from(store: Store, unit: Unit, digests: Collection[str], known: Mapping[str, Manifest | None]) -> list[str]:
    """Return the paths of the other units that have one of these digests among the inputs of their artifacts, sorted.

    A run that has trained nothing yet has them in its `run.json`.
    """
    users = [
        path for path, manifest in known.items() if manifest and not set(digests).isdisjoint(manifest.inputs.values())
    ]
    for run in store.folders(layout.RUNS):
        if any(isinstance(value, str) and value in digests for value in _run_config(store, run).values()):
            users.append(layout.run_path(run))
    return sorted({"/".join(path.split("/")[:2]) for path in users if not unit.contains(path)})


def _run_config(store: Store, run: str) -> Mapping[str, Any]:
    """Return the configuration of a run, empty if it has not started, or, with a warning, if it cannot be read."""
    try:
        return runs.find_config(store, run) or {}
    except InputError as error:
        log.warning("configuration of a run not readable", reason=str(error))
        return {}


def delete(store: Store, objects: Sequence[StoredObject]) -> None:
    """Delete objects: the manifests first, each before those of the artifacts below it, and `run.json` last.

    So no reader finds a part of an artifact, and a run that is half deleted is still a run.
    """
    keys = [stored.key for stored in objects]
    first = sorted((key for key in keys if key.endswith(f"/{MANIFEST}")), key=lambda key: (key.count("/"), key))
    last = [
        key for key in keys if key.startswith(layout.RUNS) and key.count("/") == 2 and key.endswith(f"/{RUN_CONFIG}")
    ]
    for key in first:
        store.delete(key)
    in_threads(store.delete, [key for key in keys if key not in {*first, *last}])
    for key in last:
        store.delete(key)
