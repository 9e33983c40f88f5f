"""The catalogue: what `prepare` makes and every other job reads.

    catalogue/NAME/  shard-00000.parquet ...  held-out.parquet  rejects.parquet  statistics.json

A product stands in exactly one file. Its `cluster` is shared with its exact and near duplicates, and no cluster stands on
both sides of any split: not train and test of one shard, not the shards and the held-out set.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.storage import artifact
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "catalogue"
HELD_OUT = "held-out"
TRAIN, TEST = "train", "test"
REJECTS_FILE, STATISTICS_FILE = "rejects.parquet", "statistics.json"


@dataclass(frozen=True)
class Product:
    """One row of the catalogue. `row` is its line in the input, counted from 1."""

    uid: str
    title: str
    content: str
    cluster: int
    row: int
    split: str


def product_schema() -> "pa.Schema":
    """uid, title, content: string; cluster, row: int64; split: string (`train`, `test` or `held-out`)."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("uid", pa.string(), nullable=False),
            pa.field("title", pa.string(), nullable=False),
            pa.field("content", pa.string(), nullable=False),
            pa.field("cluster", pa.int64(), nullable=False),
            pa.field("row", pa.int64(), nullable=False),
            pa.field("split", pa.string(), nullable=False),
        ]
    )


def reject_schema() -> "pa.Schema":
    """row: int64 (line in the input, from 1); uid: string or null; reason: string; text: string (at most 200 characters)."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("row", pa.int64(), nullable=False),
            pa.field("uid", pa.string()),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
        ]
    )


def path_of(name: str) -> str:
    """Where a catalogue lives in the store."""
    return f"catalogue/{name}"


def shard_file(shard: int) -> str:
    """The file of a shard, counted from 0."""
    return f"shard-{shard:05d}.parquet"


def require(store: Store, name: str) -> "Catalogue":
    """The catalogue of this name. Errors: `NotReadyError` (75) where it has not been prepared."""
    return Catalogue(artifact.require(store, path_of(name), KIND, f"prepare --catalogue {name}"))


@dataclass(frozen=True)
class Catalogue:
    """A committed catalogue, to read from."""

    artifact: Artifact

    @property
    def shards(self) -> int:
        """How many shards it has."""
        return len(self.artifact.names("shard-"))

    @property
    def digest(self) -> str:
        """What identifies its content."""
        return self.artifact.digest

    def read_shard(self, shard: int, folder: Path) -> "pa.Table":
        """A shard's products, shape (rows, 6), schema `product_schema()`, in the order in which they are trained."""
        return self._read(shard_file(shard), folder)

    def read_held_out(self, folder: Path) -> "pa.Table":
        """The held-out products, schema `product_schema()`, in a seeded order: any first n of them are a fair sample."""
        return self._read(f"{HELD_OUT}.parquet", folder)

    def files(self) -> list[str]:
        """The files that hold products: every shard, then the held-out set. Part i of an index is the i-th."""
        return [*self.artifact.names("shard-"), f"{HELD_OUT}.parquet"]

    def read_file(self, name: str, folder: Path) -> "pa.Table":
        """The products of one of `files()`."""
        return self._read(name, folder)

    def _read(self, name: str, folder: Path) -> "pa.Table":
        import pyarrow.parquet as pq

        return pq.read_table(self.artifact.fetch(name, folder), schema=product_schema())
