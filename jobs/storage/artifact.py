"""Artifacts: folders in S3 that exist once their `manifest.json` does.

A job writes its files under an attempt of its own and commits the manifest last, with `If-None-Match: *`. The first
committer wins; a twin finds the work done. The manifest names every file with its size and SHA-256, the digest of each
input, the settings that decided the result, the code version and the figures. Reading verifies.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs import __version__
from jobs.process import log
from jobs.process.errors import ConfigurationError, InputError, JobError, NotReadyError
from jobs.storage.store import Store, file_sha256

MANIFEST = "manifest.json"
ATTEMPT = "attempt-"


class DamagedFile(NotReadyError):
    """A stored file is not the one that its manifest promises."""


@dataclass(frozen=True)
class File:
    """One file of an artifact. `key` is relative to the artifact's folder; `size` is in bytes.

    `measured`: it holds timings or the like, which no second run would repeat, so it is no part of the artifact's digest.
    """

    key: str
    size: int
    sha256: str
    measured: bool = False


@dataclass(frozen=True)
class Manifest:
    """What an artifact is made of, and from what."""

    kind: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    files: Mapping[str, File]
    figures: Mapping[str, Any]
    attempt: str
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    code_version: str = __version__

    @property
    def digest(self) -> str:
        """What the artifact is, whoever made it and when: the SHA-256 of its kind, settings, inputs and files."""
        files = {name: item.sha256 for name, item in self.files.items() if not item.measured}
        return digest_of([self.kind, dict(self.settings), dict(self.inputs), files])


@dataclass(frozen=True)
class Artifact:
    """A committed artifact, to read from."""

    store: Store
    path: str
    manifest: Manifest

    @property
    def digest(self) -> str:
        """The digest that another artifact records when it takes this one as an input."""
        return self.manifest.digest

    def fetch(self, name: str, folder: Path) -> Path:
        """Download one file to `folder/name`, verified.

        Errors: `DamagedFile` (75) when it is not the file that the manifest promises.
        """
        item = self.manifest.files.get(name)
        if item is None:
            raise InputError(f"{self.store.at(self.path)} has no file {name}; it has {sorted(self.manifest.files)}")
        target = folder / name
        self.store.download(f"{self.path}/{item.key}", target)
        if target.stat().st_size != item.size or file_sha256(target) != item.sha256:
            target.unlink()
            raise DamagedFile(
                f"{self.store.at(self.path)}/{item.key} is not the file that its manifest promises (SHA-256 {item.sha256}): "
                f"remove {self.store.at(self.path)}/{MANIFEST} and run its job again"
            )
        return target

    def fetch_all(self, folder: Path, prefix: str = "") -> Path:
        """Download every file whose name begins with `prefix` to `folder`, verified. Returns `folder / prefix`."""
        for name in self.names(prefix):
            self.fetch(name, folder)
        return folder / prefix if prefix else folder

    def names(self, prefix: str = "") -> list[str]:
        """The names of the files, in order."""
        return sorted(name for name in self.manifest.files if name.startswith(prefix))


class Draft:
    """An artifact in the making. Nobody sees it before `commit()`."""

    def __init__(
        self, store: Store, path: str, kind: str, settings: Mapping[str, Any], inputs: Mapping[str, str]
    ) -> None:
        self._store, self._path, self._kind = store, path, kind
        self._settings, self._inputs = settings, inputs
        self._files: dict[str, File] = {}
        self.settled = False
        self.attempt = ATTEMPT + uuid.uuid4().hex[:12]

    def add(self, name: str, path: Path) -> None:
        """Upload a file under the name that readers will ask for."""
        key = f"{self.attempt}/{name}"
        self._store.upload(f"{self._path}/{key}", path)
        self._files[name] = File(key, path.stat().st_size, file_sha256(path))

    def add_folder(self, folder: Path, prefix: str = "") -> None:
        """Upload every file below `folder`, named by its path in it after `prefix`."""
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            self.add(prefix + path.relative_to(folder).as_posix(), path)

    def add_bytes(self, name: str, data: bytes, *, measured: bool = False) -> None:
        """Upload bytes under the name that readers will ask for; `measured` as in `File`."""
        key = f"{self.attempt}/{name}"
        self._store.write(f"{self._path}/{key}", data)
        self._files[name] = File(key, len(data), hashlib.sha256(data).hexdigest(), measured)

    def include(self, part: Artifact) -> None:
        """Take over the files of a committed artifact that lies below this one, where they are."""
        below = part.path.removeprefix(f"{self._path}/")
        for name, item in part.manifest.files.items():
            self._files[name] = replace(item, key=f"{below}/{item.key}")

    def commit(self, figures: Mapping[str, Any]) -> Artifact:
        """Publish. Returns the artifact that stands: this one, or that of a twin which was first."""
        manifest = Manifest(self._kind, self._settings, self._inputs, self._files, figures, self.attempt)
        self.settled = True  # from here on the manifest may stand, whatever we hear of it: its files must stay
        if not self._store.write_if_absent(f"{self._path}/{MANIFEST}", _to_json(manifest)):
            standing = require(self._store, self._path, self._kind, "")
            if standing.manifest.attempt != self.attempt:  # else it is ours: the answer to a first try was lost
                log.fact("another attempt was first", artifact=self._store.at(self._path))
                self.discard()
                return standing
        with suppress(JobError):  # what dead attempts have left is litter, no harm
            _sweep(self._store, self._path, manifest)
        return Artifact(self._store, self._path, manifest)

    def discard(self) -> None:
        """Remove what this attempt has uploaded."""
        for item in list(self._store.objects(f"{self._path}/{self.attempt}/")):
            self._store.delete(item.key)


@contextmanager
def draft(
    store: Store, path: str, kind: str, settings: Mapping[str, Any], inputs: Mapping[str, str]
) -> Iterator[Draft]:
    """A draft that cleans up after itself when the block ends with an error before it is committed."""
    work = Draft(store, path, kind, settings, inputs)
    try:
        yield work
    except BaseException:
        if not work.settled:
            with suppress(JobError):
                work.discard()
        raise


def find(store: Store, path: str) -> Artifact | None:
    """The artifact at `path`, or None where no manifest stands."""
    data = store.read(f"{path}/{MANIFEST}")
    return None if data is None else Artifact(store, path, _from_json(data, store.at(path)))


def require(store: Store, path: str, kind: str, made_by: str) -> Artifact:
    """The artifact at `path`, which must be there and of this kind.

    Errors: `NotReadyError` (75) where it is not there, with the command that makes it.
    """
    found = find(store, path)
    if found is None:
        raise NotReadyError(f"{store.at(path)} is not there yet: `skuscribe {made_by}` makes it")
    if found.manifest.kind != kind:
        raise ConfigurationError(f"{store.at(path)} is a {found.manifest.kind}, expected a {kind}")
    return found


def done(store: Store, path: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> Artifact | None:
    """The artifact at `path` if it stands and was made with these settings from these inputs; None if there is none.

    Errors: `ConfigurationError` (78) where it was made otherwise, naming each difference.
    """
    found = find(store, path)
    if found is None:
        return None
    differences = [
        f"{name} was {_short(old.get(name))}, now {_short(new.get(name))}"
        for old, new in ((found.manifest.settings, settings), (found.manifest.inputs, inputs))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if differences:
        raise ConfigurationError(
            f"{store.at(path)} stands and was made otherwise: {'; '.join(differences)}. Choose another name, or "
            f"remove {store.at(path)}/{MANIFEST} to make it again"
        )
    return found


def remove(store: Store, path: str) -> None:
    """Delete an artifact, its manifest first, so that no reader sees half of it."""
    store.delete(f"{path}/{MANIFEST}")
    for item in list(store.objects(f"{path}/")):
        store.delete(item.key)


def digest_of(value: Any) -> str:
    """The SHA-256 of a JSON value, written in one canonical way."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder of this process's own below TMPDIR, removed at the end."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="skuscribe-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(store: Store, path: str, manifest: Manifest) -> None:
    """Remove what dead attempts and saved states have left below a committed artifact."""
    keep = {f"{path}/{item.key}" for item in manifest.files.values()} | {f"{path}/{MANIFEST}"}
    for item in list(store.objects(f"{path}/")):
        below = item.key.removeprefix(f"{path}/")
        if item.key not in keep and below.startswith((ATTEMPT, "state/")):
            store.delete(item.key)


def _to_json(manifest: Manifest) -> bytes:
    return json.dumps({**asdict(manifest), "digest": manifest.digest}, indent=1, ensure_ascii=False).encode()


def _from_json(data: bytes, where: str) -> Manifest:
    try:
        raw = json.loads(data)
        files = {name: File(**item) for name, item in raw.pop("files").items()}
        promised = raw.pop("digest")
        manifest = Manifest(files=files, **raw)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{where}/{MANIFEST} is no manifest of ours ({error}): remove it and run its job again"
        ) from error
    if manifest.digest != promised:
        raise InputError(f"{where}/{MANIFEST} does not match its own digest: remove it and run its job again")
    return manifest


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 80 else text[:12] + "…"
