"""A tiny random T5, built on this machine."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.fetch_model.s3 import S3Prefix
from jobs.process.errors import ConfigurationError, InputError
from jobs.process.secrets import without_secrets
from jobs.storage import catalogue
from jobs.storage.store import Store
from jobs.t5.files import TINY, TOKENIZER_FILE, copy_tokenizer, expanded

TOKENIZER_TEXTS = 40_000
"""Enough for a vocabulary of a few thousand tokens, trained in about a second."""


@dataclass(frozen=True)
class Tiny:
    """A T5 of random weights, with a given tokenizer or one trained on a catalogue.

    `tokenizer` is a folder or an s3:// prefix, or empty. `work` is a folder for the tokenizer's files.
    """

    width: int
    layers: int
    seed: int
    vocabulary: int
    tokenizer: str
    catalogue: str
    store: Store
    work: Path

    def config(self) -> dict[str, Any]:
        """Return the shape and the seed, and the vocabulary size if the tokenizer is to be trained."""
        config = {"source": TINY, "tiny_width": self.width, "tiny_layers": self.layers, "seed": self.seed}
        return config if self.tokenizer else config | {"tiny_vocabulary": self.vocabulary}

    def inputs(self) -> dict[str, str]:
        """Return the digest of the given tokenizer, which is fetched for it, or of the catalogue."""
        if not self.tokenizer:
            return {"catalogue": catalogue.require(self.store, self.catalogue).digest}
        self._fetch_tokenizer()
        return {"tokenizer": hashlib.sha256((self._tokenizer_folder / TOKENIZER_FILE).read_bytes()).hexdigest()}

    def fetch(self, folder: Path) -> dict[str, Any]:
        """Build the model in `folder`, with the tokenizer that `inputs` has fetched or with one trained now. Returns no figures."""
        from jobs.t5 import tiny  # noqa: PLC0415 - loads torch, not needed if the model exists

        if not self.tokenizer:
            tiny.train_tokenizer(self._catalogue_texts(), self._tokenizer_folder, self.vocabulary)
        tiny.build(folder, self._tokenizer_folder, self.width, self.layers, self.seed)
        return {}

    @property
    def _tokenizer_folder(self) -> Path:
        return self.work / "tokenizer"

    def _fetch_tokenizer(self) -> None:
        if self.tokenizer.startswith("s3://"):
            S3Prefix(self.tokenizer, ("*.json",)).fetch(self._tokenizer_folder)
        elif (folder := expanded(self.tokenizer, "--tokenizer")).is_dir():
            copy_tokenizer(folder, self._tokenizer_folder)
        else:
            raise ConfigurationError(
                f"--tokenizer: there is no folder {without_secrets(self.tokenizer)}: correct the path, or leave --tokenizer out to "
                "train one"
            )
        if not (self._tokenizer_folder / TOKENIZER_FILE).is_file():
            raise InputError(
                f"{self.tokenizer} has no {TOKENIZER_FILE}, the file of a fast tokenizer: save the tokenizer as a fast one"
            )

    def _catalogue_texts(self) -> list[str]:
        """Return titles and contents of the catalogue's first products."""
        products, texts = catalogue.require(self.store, self.catalogue), list[str]()
        for shard in range(products.shards):
            table = products.read_shard(shard, self.work)
            texts += table["title"].to_pylist() + table["content"].to_pylist()
            if len(texts) >= TOKENIZER_TEXTS:
                break
        return texts[:TOKENIZER_TEXTS]
