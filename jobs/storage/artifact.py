"""Artifacts: folders in S3 that exist once their `manifest.json` exists.

A job uploads its files under an attempt of its own and writes the manifest last, with `If-None-Match: *`. The first
committer wins; a concurrent writer returns what the first one committed. Reading verifies each file.

`make_once()` is the one way to make an artifact: it returns the one that already exists, refuses one that was created with
different settings, or lets the caller build it.
"""

import hashlib
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.process import log
from jobs.process.errors import ConfigurationError, InputError, JobError, NotReadyError
from jobs.process.parallel import in_threads
from jobs.storage.differences import REPLACED_BY_FLAG, created_differently, differences
from jobs.storage.layout import ATTEMPT_PREFIX, MANIFEST
from jobs.storage.leftovers import delete_all, sweep, unnamed, uploads
from jobs.storage.manifest import File, Manifest, read_manifest
from jobs.storage.store import MissingObject, Store, StoredObject, file_sha256

WRITE_ATTEMPTS = 5
DOWNLOAD_ATTEMPTS = 2


class DamagedFile(NotReadyError):
    """A stored file differs from what its manifest records, or does not exist.

    A retry helps if the artifact was replaced while it was read.
    """


@dataclass(frozen=True)
class Artifact:
    """A committed artifact, to read from."""

    store: Store
    path: str
    manifest: Manifest

    @property
    def digest(self) -> str:
        """The digest that another artifact records when it has this one as an input."""
        return self.manifest.digest

    @property
    def url(self) -> str:
        """The full address, for messages and other tools."""
        return self.store.at(self.path)

    def fetch(self, name: str, folder: Path) -> Path:
        """Download one file to `folder/name` and verify it. Returns its path.

        Errors: `InputError` (65) if the manifest has no such file, or its name leads out of the folder; `DamagedFile` (75) if the
        content differs from it, or the object does not exist.
        """
        file = self.manifest.files.get(name)
        if file is None:
            raise InputError(f"{self.url} has no file {name}; it has {sorted(self.manifest.files)}")
        if not _stays_inside(name):
            raise InputError(
                f"{self.url} has a file {name!r}, expected a name without `..` and without a slash at its start: no job writes such "
                "a name, check who else can write to the store"
            )
        target = folder / name
        for _ in range(DOWNLOAD_ATTEMPTS):
            try:
                self.store.download(f"{self.path}/{file.key}", target)
            except MissingObject as error:
                raise self._damaged(file, "does not exist, although its manifest names it") from error
            if target.stat().st_size == file.size and file_sha256(target) == file.sha256:
                return target
            target.unlink()
        raise self._damaged(file, f"differs from its manifest in {DOWNLOAD_ATTEMPTS} downloads")

    def fetch_all(self, folder: Path, prefix: str = "") -> Path:
        """Download and verify every file whose name begins with `prefix`. Returns `folder / prefix`."""
        for name in self.names(prefix):
            self.fetch(name, folder)
        return folder / prefix if prefix else folder

    def names(self, prefix: str = "") -> list[str]:
        """Return the sorted names of the files that begin with `prefix`."""
        return sorted(name for name in self.manifest.files if name.startswith(prefix))

    def _damaged(self, file: File, problem: str) -> DamagedFile:
        """Return the error for a file. The part that a file is included from has a manifest of its own, which is removed too."""
        part = file.key.partition(ATTEMPT_PREFIX)[0]
        manifests = " and ".join(f"{self.url}/{folder}{MANIFEST}" for folder in dict.fromkeys((part, "")))
        return DamagedFile(
            f"{self.url}/{file.key} {problem} (expected SHA-256 {file.sha256}): if this repeats, remove {manifests}, "
            "and run its job again"
        )


@dataclass(frozen=True)
class Spec:
    """The artifact that a job is to make.

    `config` holds the settings that determine the content, `inputs` the digests of what it is made from. `added_inputs`
    names inputs whose digests are known only while it is built: `build` adds them to `Draft.inputs`, and an existing
    artifact is not compared by them. `later` names settings and inputs that earlier versions did not record: an artifact
    without them matches. `former` has, by input, the digests under which earlier versions recorded the same input.
    """

    store: Store
    path: str
    kind: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    added_inputs: Collection[str] = ()
    later: Collection[str] = ()
    former: Mapping[str, Collection[str]] = field(default_factory=dict)


class Draft:
    """An artifact that is being built. It exists after `commit()`. Until then, digests can be added to `inputs`."""

    def __init__(
        self, store: Store, path: str, kind: str, settings: Mapping[str, Any], inputs: Mapping[str, str]
    ) -> None:
        self._store, self._path, self._kind, self._settings = store, path, kind, settings
        self._files: dict[str, File] = {}
        self.inputs = dict(inputs)
        self.commit_started = False
        self.attempt = ATTEMPT_PREFIX + uuid.uuid4().hex[:12]

    def add(self, name: str, path: Path) -> None:
        """Upload a file under the name that readers use."""
        key = f"{self.attempt}/{name}"
        self._store.upload(f"{self._path}/{key}", path)
        self._files[name] = File(key, path.stat().st_size, file_sha256(path))

    def add_folder(self, folder: Path, prefix: str = "") -> None:
        """Upload every file below `folder`, named `prefix` and its relative path."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.add(prefix + path.relative_to(folder).as_posix(), path)

    def add_bytes(self, name: str, data: bytes, *, measured: bool = False) -> None:
        """Upload bytes under the name that readers use; `measured` as in `File`."""
        key = f"{self.attempt}/{name}"
        self._store.write(f"{self._path}/{key}", data)
        self._files[name] = File(key, len(data), hashlib.sha256(data).hexdigest(), measured)

    def include(self, part: Artifact) -> None:
        """List the files of a committed artifact below this one, without copying them."""
        below = part.path.removeprefix(f"{self._path}/")
        for name, file in part.manifest.files.items():
            self._files[name] = replace(file, key=f"{below}/{file.key}")

    def commit(self, figures: Mapping[str, Any]) -> Artifact:
        """Write the manifest. Returns the committed artifact: this one, or that of a writer that committed first."""
        committed = self._write(figures, lambda data: self._store.write_if_absent(self._manifest_key, data))
        if committed is None:
            raise NotReadyError(
                f"{self._store.at(self._path)} was committed by another writer and removed since: run the job again"
            )
        if committed.manifest.attempt != self.attempt:
            log.info("another writer committed first", artifact=committed.url)
            self.discard()
        return committed

    def commit_in_place_of(self, etag: str, figures: Mapping[str, Any]) -> Artifact | None:
        """Replace the manifest that has this ETag, in one write. Returns None if it was replaced or removed meanwhile."""
        committed = self._write(figures, lambda data: self._store.write_if_match(self._manifest_key, data, etag))
        if committed is not None and committed.manifest.attempt == self.attempt:
            return committed
        self.discard()
        return None

    def discard(self) -> None:
        """Remove the files that this attempt has uploaded."""
        delete_all(self._store, self._store.objects(f"{self._path}/{self.attempt}/"))

    @property
    def _manifest_key(self) -> str:
        return f"{self._path}/{MANIFEST}"

    def _write(self, figures: Mapping[str, Any], write: Callable[[bytes], bool]) -> Artifact | None:
        """Write the manifest with `write`, which returns whether it did. Returns the artifact that is there then, this one or another's."""
        leftovers = self._leftovers()
        if leftovers is not None:
            manifest = Manifest(self._kind, self._settings, self.inputs, self._files, figures, self.attempt)
            self.commit_started = True  # the write may succeed although its answer is lost: the files must stay
            if write(manifest.to_json()):
                return self._committed(manifest, leftovers)
        existing = find(self._store, self._path)
        if existing is None or existing.manifest.attempt != self.attempt:
            return existing
        return self._committed(existing.manifest, leftovers or [])  # the first write succeeded and its answer was lost

    def _leftovers(self) -> list[StoredObject] | None:
        """Return the objects of other attempts, and checkpoints; None if a file of this attempt is gone.

        They are listed before the manifest is written: an attempt that started later may still be committed. A file is gone if
        another writer has committed. The manifest of that writer may have been removed since, so that this one could be written.
        """
        found = list(uploads(self._store, self._path))
        keys = {stored.key.removeprefix(f"{self._path}/") for stored in found}
        own = {file.key for file in self._files.values() if file.key.startswith(f"{self.attempt}/")}
        return unnamed(found, self._path, self._files) if own <= keys else None

    def _committed(self, manifest: Manifest, leftovers: list[StoredObject]) -> Artifact:
        with suppress(JobError):
            delete_all(self._store, leftovers)
        return Artifact(self._store, self._path, manifest)


def make_once(spec: Spec, build: Callable[[Draft], Mapping[str, Any]], *, replace_outdated: bool = False) -> Artifact:
    """Return the artifact of `spec`: the one that already exists, or the one that `build` makes now.

    `build(draft)` adds the files and returns the figures. With `replace_outdated`, an artifact that was created with
    different settings or inputs is replaced in one write; without it, it is an error. Errors: `ConfigurationError` (78)
    naming each difference; those of `build`, after its uploads are removed.
    """
    for _ in range(WRITE_ATTEMPTS):
        existing, etag = _find_with_etag(spec.store, spec.path)
        if existing is not None:
            found = _differences(spec, existing.manifest)
            if not found:
                replaceable = replace_outdated or spec.kind in REPLACED_BY_FLAG
                sweep(spec.store, spec.path, existing.manifest.files, replaceable=replaceable)
                _log("already done", existing)
                return existing
            if not replace_outdated:
                raise created_differently(existing.url, existing.path, existing.manifest.kind, found)
        with draft(spec.store, spec.path, spec.kind, spec.config, spec.inputs) as work:
            figures = build(work)
            committed = work.commit(figures) if etag is None else work.commit_in_place_of(etag, figures)
        if committed is not None and committed.manifest.attempt == work.attempt:
            _log("committed", committed)
            return committed
        # Another writer committed first: the inputs of this draft, which are complete now, are compared with those that it recorded.
        spec = replace(spec, inputs=dict(work.inputs), added_inputs=())
    raise NotReadyError(
        f"{spec.store.at(spec.path)} was changed by other writers {WRITE_ATTEMPTS} times while this job made it: "
        "run it again when they have ended"
    )


def find_matching(spec: Spec, *, replace_outdated: bool = False) -> Artifact | None:
    """Return the artifact of `spec`, or None if there is none yet.

    Errors: `ConfigurationError` (78) if one exists that was created with different settings, naming each difference. With
    `replace_outdated`, None is returned for it.
    """
    existing = find(spec.store, spec.path)
    if existing is not None and (found := _differences(spec, existing.manifest)):
        if replace_outdated:
            return None
        raise created_differently(existing.url, existing.path, existing.manifest.kind, found)
    return existing


@contextmanager
def draft(
    store: Store, path: str, kind: str, settings: Mapping[str, Any], inputs: Mapping[str, str]
) -> Iterator[Draft]:
    """Yield a draft whose uploads are removed if the block fails before the commit."""
    work = Draft(store, path, kind, settings, inputs)
    try:
        yield work
    except BaseException:
        if not work.commit_started:
            with suppress(JobError):
                work.discard()
        raise


def find(store: Store, path: str) -> Artifact | None:
    """Return the artifact at `path`, or None if there is no manifest."""
    return _find_with_etag(store, path)[0]


def find_all(store: Store, paths: Sequence[str]) -> list[Artifact | None]:
    """Return the artifact at each path, or None. Manifests are read in parallel: a long run has more than a hundred."""
    return in_threads(lambda path: find(store, path), paths)


def paths(store: Store, prefix: str = "") -> Iterator[str]:
    """Yield the path of every committed artifact whose path begins with `prefix`, sorted."""
    for stored in store.objects(prefix):
        if stored.key.endswith(f"/{MANIFEST}"):
            yield stored.key.removesuffix(f"/{MANIFEST}")


def require(store: Store, path: str, kind: str, made_by: str) -> Artifact:
    """Return the artifact at `path`.

    Errors: `NotReadyError` (75) if there is none, naming the command that makes it; `ConfigurationError` (78) if it is of
    another kind.
    """
    existing = find(store, path)
    if existing is None:
        raise NotReadyError(f"{store.at(path)} does not exist yet: `skuscribe {made_by}` makes it")
    if existing.manifest.kind != kind:
        raise ConfigurationError(f"{store.at(path)} is an artifact of kind {existing.manifest.kind}, expected {kind}")
    return existing


def withdraw_outdated(spec: Spec) -> None:
    """Delete the manifest at the path of `spec` if it was created with different settings or inputs.

    For an artifact that lists files of others, before the first of these is replaced: until it is made again, it does not exist.
    """
    existing = find(spec.store, spec.path)
    if existing is not None and _differences(spec, existing.manifest):
        spec.store.delete(f"{spec.path}/{MANIFEST}")
        log.info("outdated artifact withdrawn", artifact=existing.url)


def remove(store: Store, path: str) -> None:
    """Delete an artifact, its manifest first, so that no reader finds a part of it."""
    store.delete(f"{path}/{MANIFEST}")
    delete_all(store, store.objects(f"{path}/"))


def _stays_inside(name: str) -> bool:
    """Return whether a file of this name is below the folder that it is downloaded into."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _find_with_etag(store: Store, path: str) -> tuple[Artifact | None, str | None]:
    found = read_manifest(store, path)
    if found is None:
        return None, None
    return Artifact(store, path, found[0]), found[1]


def _differences(spec: Spec, manifest: Manifest) -> list[str]:
    """Return a phrase for each setting and input in which the manifest differs from the spec."""
    recorded = {
        name: spec.inputs.get(name) if digest in spec.former.get(name, ()) else digest
        for name, digest in manifest.inputs.items()
        if name not in spec.added_inputs
    }
    return [*differences(manifest.settings, spec.config, spec.later), *differences(recorded, spec.inputs, spec.later)]


def _log(event: str, made: Artifact) -> None:
    figures = {name: value for name, value in made.manifest.figures.items() if isinstance(value, str | int | float)}
    log.info(event, **{**figures, "artifact": made.url})
