"""List the artifacts in the store, or download one, verified.

Reads artifacts; with --to, writes the files of one into a folder.
"""

from collections.abc import Iterator
from pathlib import Path

from jobs.artifacts.settings import Settings
from jobs.process import log
from jobs.process.errors import ConfigurationError
from jobs.storage import artifact
from jobs.storage.artifact import Artifact
from jobs.storage.layout import MANIFEST
from jobs.storage.store import Store


def run(settings: Settings) -> None:
    """Print one line per artifact, or download one. Errors: `ConfigurationError` (78) if there is none at --path."""
    store = Store(settings.store)
    if settings.to is None:
        for committed in artifacts(store, settings.path):
            print(_line(committed))
    else:
        _download(store, settings.path.strip("/"), settings.to)


def artifacts(store: Store, prefix: str = "") -> Iterator[Artifact]:
    """Yield every committed artifact whose path begins with `prefix`, sorted by path."""
    for stored in store.objects(prefix):
        if stored.key.endswith(f"/{MANIFEST}"):
            committed = artifact.find(store, stored.key.removesuffix(f"/{MANIFEST}"))
            if committed is not None:  # it may have been removed since it was listed
                yield committed


def _line(committed: Artifact) -> str:
    manifest = committed.manifest
    megabytes = sum(file.size for file in manifest.files.values()) / 1e6
    return f"{committed.url}  {manifest.kind}  {len(manifest.files)} files  {megabytes:,.1f} MB  {manifest.created}"


def _download(store: Store, path: str, folder: Path) -> None:
    if not path:
        raise ConfigurationError("--to needs --path, the path of an artifact: `skuscribe artifacts` lists them")
    committed = artifact.find(store, path)
    if committed is None:
        raise ConfigurationError(
            f"there is no artifact at {store.at(path)}: `skuscribe artifacts` lists those that exist"
        )
    committed.fetch_all(folder)
    log.info("downloaded", artifact=committed.url, files=len(committed.names()), folder=str(folder))
