"""Reading the files of an encoder: an error names the file or folder, and is one of the setting `--encoder`."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.process.errors import ConfigurationError, JobError
from jobs.process.secrets import without_secrets

_OF_THE_FOLDER = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES)
"""The numbers of an `OSError` that are errors of the folder's content; others, such as ENOSPC, are faults of the disk."""


@contextmanager
def reading(source: str | Path) -> Iterator[None]:
    """Raise the errors of the block, which reads a file, folder or model, as `ConfigurationError` (78).

    A fault of the disk and a lack of memory are raised unchanged.
    """
    try:
        yield
    except (JobError, MemoryError):
        raise
    except Exception as error:  # tokenizers raises no narrower type
        if isinstance(error, OSError) and error.errno not in _OF_THE_FOLDER:
            raise
        reason = str(error).strip().partition("\n")[0][:300]
        raise ConfigurationError(
            f"--encoder: {without_secrets(str(source))} cannot be loaded as (a part of) a sentence encoder "
            f"({type(error).__name__}: {reason}): pass an intact folder that sentence-transformers saved, or another encoder"
        ) from error


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Errors: `ConfigurationError` (78) if it is missing or not JSON."""
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))
