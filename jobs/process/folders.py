"""Temporary folders, files that are written as a whole, and removal of our own files from folders of others."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder below TMPDIR and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="skuscribe-", ignore_cleanup_errors=True) as name:
        yield Path(name)


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
    """Write a file so that a reader sees either the old content or the new one."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(data)
    unfinished.replace(path)
