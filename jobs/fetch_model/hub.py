"""A model from the Hugging Face hub."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.fetch_model.folder import MODEL_PATTERNS
from jobs.process import log
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.process.secrets import without_secrets
from jobs.retrieval.hub_address import check_endpoint


@dataclass(frozen=True)
class Hub:
    """A model of the hub at a revision. HF_ENDPOINT and HF_TOKEN apply."""

    name: str
    revision: str

    def config(self) -> dict[str, Any]:
        """Return name and revision."""
        return {"source": self.name, "revision": self.revision}

    def inputs(self) -> dict[str, str]:
        """Return no digests: the hub is asked only if the model is not stored yet."""
        return {}

    def fetch(self, folder: Path) -> dict[str, Any]:
        """Download the model to `folder`. Returns the `commit` that the revision is of.

        Errors: `ConfigurationError` (78) if the hub has no such model, refuses the credentials or is no hub, `NotReadyError`
        (75) if it cannot be reached, `OSError` if the disk is full.
        """
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", self.name):
            raise ConfigurationError(
                f"--source {without_secrets(self.name)!r} is neither a folder on this machine nor the name of a model of the hub (OWNER/NAME)"
            )
        check_endpoint()
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        from huggingface_hub import HfApi, errors  # noqa: PLC0415 - reads the variables when it is imported

        from jobs.retrieval import hub  # noqa: PLC0415 - as above

        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
        try:
            commit = api.model_info(self.name, revision=self.revision, timeout=hub.TIMEOUT_SECONDS).sha
            log.info("downloading", source=self.name, revision=self.revision, commit=commit)
            api.snapshot_download(
                self.name,
                revision=commit,
                local_dir=folder,
                allow_patterns=list(MODEL_PATTERNS),
                ignore_patterns=["*/*"],
            )
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
            raise ConfigurationError(
                f"the hub has no model {self.name!r} at revision {self.revision!r} that these credentials can read, and there "
                "is no folder of this name: correct --source or --revision, or set HF_TOKEN"
            ) from error
        except hub.CLIENT_ERRORS as error:
            hub.raise_unless_unreachable(error, "--source", self.name)
            raise NotReadyError(
                f"the hub cannot be reached for {self.name!r} ({type(error).__name__}): try again later, or give a folder or "
                "an s3:// prefix that has the model as --source"
            ) from error
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        return {"commit": commit}
