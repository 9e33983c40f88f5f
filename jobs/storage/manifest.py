"""The manifest of an artifact: what it is, what it was made from, its files and its figures.

It is stored as JSON. The field names are persisted: a change makes artifacts of earlier versions unreadable.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobs import __version__
from jobs.process.errors import InputError
from jobs.storage.layout import MANIFEST
from jobs.storage.store import Store


@dataclass(frozen=True)
class File:
    """One file of an artifact. `key` is relative to the artifact's path; `size` is in bytes.

    `measured`: the file holds timings or other measurements that a second run would not repeat, so it is not part of the
    artifact's digest.
    """

    key: str
    size: int
    sha256: str
    measured: bool = False


@dataclass(frozen=True)
class Manifest:
    """What an artifact is, what it was made from, and its files. `inputs` holds the digest of each input."""

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
        """The SHA-256 of kind, settings, inputs and files. Who made the artifact, when, and its figures don't change it."""
        files = {name: file.sha256 for name, file in self.files.items() if not file.measured}
        return digest_of([self.kind, dict(self.settings), dict(self.inputs), files])

    def to_json(self) -> bytes:
        """Return the stored form, which includes the digest."""
        return json.dumps({**asdict(self), "digest": self.digest}, indent=1, ensure_ascii=False).encode()


def read_manifest(store: Store, path: str) -> tuple[Manifest, str] | None:
    """Return the manifest of the artifact at `path` and its ETag, None if there is none. Errors: those of `from_json`."""
    key = f"{path}/{MANIFEST}"
    stored = store.read_with_etag(key)
    if stored is None:
        return None
    data, etag = stored
    return from_json(data, store.at(key)), etag


def from_json(data: bytes, address: str) -> Manifest:
    """Return the manifest that is stored at `address`.

    Errors: `InputError` (65) if it is not a manifest, or differs from the digest that it records.
    """
    try:
        raw = json.loads(data)
        files = {name: File(**file) for name, file in raw.pop("files").items()}
        recorded = raw.pop("digest")
        manifest = Manifest(files=files, **raw)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{address} is not a manifest of skuscribe ({type(error).__name__}: {error}): check --store and "
            "AWS_ENDPOINT_URL_S3, because another program or server may have written it"
        ) from error
    if manifest.digest != recorded:
        raise InputError(
            f"{address} was changed: it records digest {recorded}, its content has {manifest.digest}. Remove it and run "
            "its job again"
        )
    return manifest


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form. A text may be the name of a file that is not UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
