"""Temporary folders, output folders, files that are written as a whole, and removal of our own files from folders of others."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.process.errors import ConfigurationError, NotReadyError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""The numbers of an `OSError` of a full disk, and of a used up quota."""

PROBE = ".skuscribe-writable"
"""The file that `require_writable()` writes and removes."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder below TMPDIR and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="skuscribe-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def require_writable(folder: Path, setting: str) -> None:
    """Raise an error unless `folder` can be written: it is created, a file is written into it, and both are removed again.

    Errors: as `writing_to()`.
    """
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    probe = folder / PROBE
    try:
        with writing_to(folder, setting):
            folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"0")  # an empty file fits on a full disk
    finally:
        with suppress(OSError):
            probe.unlink()
        with suppress(OSError):  # another process has just written into it
            for path in missing:
                path.rmdir()


@contextmanager
def writing_to(folder: Path, setting: str) -> Iterator[None]:
    """Translate the errors of a block that writes files into `folder` and nowhere else. `setting`: its flag, as `--out`.

    Errors: `ConfigurationError` (78) if it cannot be written, `NotReadyError` (75) if its disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise NotReadyError(
                f"no space left on the disk of {setting} {folder}: free some, or choose another folder, and run again"
            ) from error
        if error.filename is None:  # not the error of a file
            raise
        raise ConfigurationError(
            f"{setting} {folder}: expected a folder that can be written, found {error.filename} ({error.strerror}): choose "
            "another folder"
        ) from error


def remove(folder: Path, names: Iterable[str]) -> list[Path]:
    """Remove the entries with these names from a folder, and the folder itself if it is empty then. Returns what was removed."""
    removed = [folder / name for name in names if (folder / name).exists()]
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if removed and not any(folder.iterdir()):
        with suppress(OSError):  # another process has just written into it
            folder.rmdir()
    return removed


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees either the old content or the new one. An error of the disk names the file."""
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.write_bytes(data)
    except OSError as error:
        # Python names the file of a failed open(), not that of a failed write().
        error.filename = error.filename or str(path)
        raise
    unfinished.replace(path)
