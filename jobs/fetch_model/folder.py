"""A model from a folder on this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.process.errors import ConfigurationError
from jobs.process.secrets import without_secrets
from jobs.storage.manifest import digest_of
from jobs.storage.store import file_sha256
from jobs.t5.files import check_files

MODEL_PATTERNS = ("*.json", "*.safetensors")
"""The files of a model that are stored. Pickled weights are not: loading them can run code."""


@dataclass(frozen=True)
class Folder:
    """A folder that `save_pretrained()` of transformers made. Its files determine the model, not its path."""

    path: Path

    def config(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def inputs(self) -> dict[str, str]:
        """Return the digest of the model's files.

        Errors: `ConfigurationError` (78) if there is no such folder, `InputError` (65) if it has no T5.
        """
        return {"files": digest_of([[path.name, file_sha256(path)] for path in self._files()])}

    def fetch(self, folder: Path) -> dict[str, Any]:
        """Copy the model's files to `folder`. Returns no figures."""
        folder.mkdir()
        for path in self._files():
            shutil.copyfile(path, folder / path.name)
        return {}

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise ConfigurationError(
                f"--source: there is no folder {without_secrets(str(self.path))}: correct the path, or give the name of a model "
                "of the hub"
            )
        check_files(self.path)
        return sorted(path for pattern in MODEL_PATTERNS for path in self.path.glob(pattern))


def looks_like_folder(source: str) -> bool:
    """Return whether a source is a path: it exists, starts like one, or has more parts than a name on the hub."""
    return source.startswith(("/", ".", "~")) or Path(source).is_dir() or source.count("/") > 1


def expanded(path: str, flag: str) -> Path:
    """Return a path with the home folder in place of `~`. Errors: `ConfigurationError` (78) if `~USER` has none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{flag}: {without_secrets(path)} begins with the home folder of a user that does not exist: correct the path"
        ) from error
