"""Folders that others may have put things into: what is ours goes, and nothing else."""

import shutil
from collections.abc import Iterable
from pathlib import Path


def remove(folder: Path, names: Iterable[str]) -> list[Path]:
    """Remove what bears one of these names in a folder, and the folder where that leaves it empty. Returns what is gone."""
    gone = [folder / name for name in names if (folder / name).exists()]
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if gone and not any(folder.iterdir()):
        folder.rmdir()
    return gone
