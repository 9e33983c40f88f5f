"""List the artifacts in the store, or download one, verified.

Reads artifacts; with --to, writes the files of one into a folder.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from jobs.artifacts.settings import Settings
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError
from jobs.process.suggestions import most_similar
from jobs.storage import artifact
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store

TO = "--to"
_NUMBER = re.compile(r"\d+")


def run(settings: Settings) -> None:
    """Print one line per artifact, or download one. An empty store has no lines.

    Errors: `ConfigurationError` (78) if the store has artifacts and none is at --path, or it is in another store, or if --to cannot
    be written or has other parts, `NotReadyError` (75) if the disk of --to is full.
    """
    store = Store(settings.store)
    path = store.relative(settings.path)
    if settings.to is None:
        _list(store, path)
    else:
        _download(store, path, settings.to)


def _list(store: Store, prefix: str) -> None:
    found = False
    for path in artifact.paths(store, prefix):
        if (committed := artifact.find(store, path)) is not None:  # it may have been removed since it was listed
            print(_line(committed))
            found = True
    if not found and (nearest := _nearest(store, prefix)):
        raise _not_found(store, prefix, nearest)


def _line(committed: Artifact) -> str:
    manifest = committed.manifest
    megabytes = sum(file.size for file in manifest.files.values()) / 1e6
    return f"{committed.url}  {manifest.kind}  {len(manifest.files)} files  {megabytes:,.1f} MB  {manifest.created}"


def _download(store: Store, path: str, folder: Path) -> None:
    if not path:
        raise ConfigurationError("--to needs --path, the path of an artifact: `skuscribe artifacts` lists them")
    folders.require_writable(folder, TO)
    committed = artifact.find(store, path)
    if committed is None:
        raise _not_found(store, path, _nearest(store, path))
    _require_no_other_parts(committed, folder)
    with folders.writing_to(folder, TO):
        committed.fetch_all(folder)
    log.info("downloaded", artifact=committed.url, files=len(committed.names()), folder=str(folder))


def _require_no_other_parts(committed: Artifact, folder: Path) -> None:
    """Raise `ConfigurationError` (78) if the folder has files named as those of the artifact but for a number.

    An earlier download of a larger batch or catalogue left them. Whoever reads all parts in the folder would read these too.
    """
    names = committed.names()
    numberless = {_NUMBER.sub("", name) for name in names}
    parents = {(folder / name).parent for name in names}
    files = (path.relative_to(folder).as_posix() for parent in parents if parent.is_dir() for path in parent.iterdir())
    others = sorted(name for name in files if _NUMBER.sub("", name) in numberless and name not in names)
    if others:
        raise ConfigurationError(
            f"--to {folder} has {len(others)} files such as {others[0]} that {committed.url} does not have, probably of an earlier "
            "download: choose another folder, or remove them"
        )


def _nearest(store: Store, path: str) -> list[str]:
    """Return the few paths of artifacts that are most similar to `path`, the most similar first."""
    return most_similar(path, artifact.paths(store))


def _not_found(store: Store, path: str, nearest: Sequence[str]) -> ConfigurationError:
    such_as = f", such as {', '.join(nearest)}" if nearest else ""
    return ConfigurationError(
        f"there is no artifact at {store.at(path)}: set --path to one that `skuscribe artifacts` lists{such_as}"
    )
