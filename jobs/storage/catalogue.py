"""The catalogue: what `prepare` makes and every other job reads.

A product is in exactly one file. Its `cluster` is shared with its exact and near duplicates, and no cluster is on both sides
of a split: not in train and test of one shard, and not in the shards and the held-out set.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.layout import HELD_OUT_FILE, Kind
from jobs.storage.store import Store

TRAIN, TEST, HELD_OUT = "train", "test", "held-out"

MAX_TITLE_CHARACTERS = 2_000
"""Longer titles are rejected. The longest of 50,860 real ones has 259."""

PRODUCT_SCHEMA = pa.schema(
    [
        pa.field("uid", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
        pa.field("cluster", pa.int64(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)
"""`row` is the number of the row in the input, from 1; `split` is `train`, `test` or `held-out`."""

REJECT_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("uid", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
"""`row` as in `PRODUCT_SCHEMA`; `text` is the beginning of the row, at most 200 characters."""


@dataclass(frozen=True)
class Title:
    """A title to describe, or the error that prevents it. `known_uid` and `cluster` are those of its product, if known."""

    uid: str
    title: str
    known_uid: str | None = None
    cluster: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """A committed catalogue, to read from."""

    artifact: Artifact

    @property
    def shards(self) -> int:
        """The number of shards."""
        return len(self.artifact.names(layout.SHARD_PREFIX))

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return self.artifact.digest

    def files(self) -> list[str]:
        """Return the files that hold products: every shard in order, then the held-out set."""
        return [*self.artifact.names(layout.SHARD_PREFIX), HELD_OUT_FILE]

    def files_of(self, split: str) -> list[str]:
        """Return those of `files()` that have products of a split."""
        return [HELD_OUT_FILE] if split == HELD_OUT else self.artifact.names(layout.SHARD_PREFIX)

    def read_shard(self, shard: int, folder: Path) -> pa.Table:
        """Return a shard's products, schema `PRODUCT_SCHEMA`, in training order."""
        return self.read_file(layout.shard_file(shard), folder)

    def read_held_out(self, folder: Path) -> pa.Table:
        """Return the held-out products, schema `PRODUCT_SCHEMA`, in a seeded order: any first n are a random sample."""
        return self.read_file(HELD_OUT_FILE, folder)

    def read_file(self, name: str, folder: Path) -> pa.Table:
        """Return the products of one of `files()`, schema `PRODUCT_SCHEMA`."""
        return pq.read_table(self.artifact.fetch(name, folder), schema=PRODUCT_SCHEMA)


def require(store: Store, name: str) -> Catalogue:
    """Return the catalogue of this name. Errors: `NotReadyError` (75) if it has not been prepared."""
    path = layout.catalogue_path(name)
    return Catalogue(artifact.require(store, path, Kind.CATALOGUE, f"prepare --catalogue {name}"))
