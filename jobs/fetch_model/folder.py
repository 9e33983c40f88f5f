"""A model from a folder on this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.storage.manifest import digest_of
from jobs.storage.store import file_sha256
from jobs.t5.files import check_folder

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
        """Return the digest of the model's files. Errors: as `check_folder()`."""
        return {"files": digest_of([[path.name, file_sha256(path)] for path in self._files()])}

    def fetch(self, folder: Path) -> dict[str, Any]:
        """Copy the model's files to `folder`. Returns no figures."""
        folder.mkdir()
        for path in self._files():
            shutil.copyfile(path, folder / path.name)
        return {}

    def _files(self) -> list[Path]:
        check_folder(self.path)
        return sorted(path for pattern in MODEL_PATTERNS for path in self.path.glob(pattern))
