"""List what stands in the store, and fetch it, verified.

Reads artifacts; with --to writes their files into a folder. Try: skuscribe artifacts --path runs/main
"""

from collections.abc import Iterator

from jobs.artifacts.settings import Settings
from jobs.process import log
from jobs.process.errors import ConfigurationError
from jobs.storage import artifact
from jobs.storage.artifact import Artifact
from jobs.storage.layout import MANIFEST
from jobs.storage.store import Store


def run(settings: Settings) -> None:
    """Print one line an artifact, or fetch one. Errors: `NotReadyError` (75) where there is none at --path."""
    store = Store(settings.store)
    if settings.to is not None:
        if not settings.path:
            raise ConfigurationError("--to needs --path: which artifact?")
        _fetch(artifact.find(store, settings.path.strip("/")), settings)
        return
    for found in artifacts(store, settings.path):
        size = sum(item.size for item in found.manifest.files.values())
        print(
            f"{store.at(found.path)}  {found.manifest.kind}  {len(found.manifest.files)} files  {size / 1e6:,.1f} MB  {found.manifest.created}"
        )


def artifacts(store: Store, prefix: str = "") -> Iterator[Artifact]:
    """Every committed artifact whose path begins with `prefix`, in the order of their paths."""
    for item in store.objects(prefix):
        if item.key.endswith("/" + MANIFEST):
            found = artifact.find(store, item.key.removesuffix("/" + MANIFEST))
            if found is not None:  # it may be removed while we look
                yield found


def _fetch(found: Artifact | None, settings: Settings) -> None:
    if found is None or settings.to is None:
        raise ConfigurationError(
            f"there is no artifact at {settings.path}: `skuscribe artifacts` lists those that stand"
        )
    for name in found.names():
        found.fetch(name, settings.to)
    log.info("fetched", files=len(found.names()), folder=str(settings.to))
