"""A model, or a tokenizer, from an s3:// prefix."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.fetch_model.folder import MODEL_PATTERNS
from jobs.process.errors import ConfigurationError
from jobs.storage.manifest import digest_of
from jobs.storage.store import Store, StoredObject


@dataclass(frozen=True)
class S3Prefix:
    """The objects directly below a prefix. Their content determines the model, not their address."""

    url: str
    patterns: Sequence[str] = MODEL_PATTERNS

    def config(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def inputs(self) -> dict[str, str]:
        """Return the digest of names, sizes and ETags. Errors: `ConfigurationError` (78) if no object matches."""
        objects = [[stored.key, stored.size, stored.etag] for stored in self._objects(Store(self.url))]
        return {"objects": digest_of(objects)}

    def fetch(self, folder: Path) -> dict[str, Any]:
        """Download the objects to `folder`. Returns no figures. Errors: `ConfigurationError` (78) if no object matches."""
        store = Store(self.url)
        folder.mkdir(exist_ok=True)
        for stored in self._objects(store):
            store.download(stored.key, folder / stored.key)
        return {}

    def _objects(self, store: Store) -> list[StoredObject]:
        suffixes = {Path(pattern).suffix for pattern in self.patterns}
        objects = [
            stored for stored in store.objects("") if "/" not in stored.key and Path(stored.key).suffix in suffixes
        ]
        if not objects:
            raise ConfigurationError(
                f"{store.url} has no {' or '.join(self.patterns)}: correct the address, or upload the files there"
            )
        return objects
