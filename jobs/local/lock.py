"""The lock of a state folder: one process at a time starts, stops or removes its services, or writes its sample."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobs.process import folders
from jobs.process.errors import NotReadyError

FILE = "services.lock"
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.1


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder during the block. The folder is created if it is missing.

    The lock is released when its process ends, even by SIGKILL. Errors: `NotReadyError` (75) if another process holds it for
    `WAIT_SECONDS`, or as `folders.writing_to()` if the folder cannot be written.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while (file := _open_locked(folder)) is None:
        if time.monotonic() > deadline:
            raise NotReadyError(
                f"another process starts or stops the services in {folder}, or writes its sample, and has kept {folder / FILE} "
                f"locked for {WAIT_SECONDS:.0f} s. Wait until that process has ended, or end it, and run again"
            )
        time.sleep(POLL_SECONDS)
    with file:
        yield


def _open_locked(folder: Path) -> BinaryIO | None:
    """Return the locked file, or None if another process holds the lock or has just removed the file."""
    with folders.writing_to(folder, "the state folder"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = (folder / FILE).open("ab")
        except FileNotFoundError:  # the folder was removed
            return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), (folder / FILE).stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None
