"""The fixed questions of a run: the same titles for every stage, and the texts that their sellers wrote.

held-out     products that no shard trains on: what the model can do
own-shard    test products of the shard just trained (before any training: of the first)
first-shard  test products of the first shard: what was forgotten since
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.process.errors import InputError
from jobs.storage.catalogue import TEST, Catalogue, Title

if TYPE_CHECKING:
    import pyarrow as pa

HELD_OUT, OWN_SHARD, FIRST_SHARD = "held-out", "own-shard", "first-shard"
GROUPS = (HELD_OUT, OWN_SHARD, FIRST_SHARD)


@dataclass(frozen=True)
class Question:
    """A title, and the text to hold the answer against."""

    group: str
    title: Title
    reference: str


def of_stage(products: Catalogue, shard: int | None, count: int, folder: Path) -> list[Question]:
    """At most `count` questions of each group, the first ones of their file. `shard`: the one just trained, or None.

    Errors: `InputError` (65) where the catalogue has neither held-out nor test products.
    """
    held_out = products.read_held_out(folder).slice(0, count)
    first = _test_rows(products, 0, count, folder)
    own = _test_rows(products, shard, count, folder) if shard else first
    tables = zip(GROUPS, (held_out, own, first), strict=True)
    found = [question for group, table in tables for question in _questions(group, table)]
    if not found:
        raise InputError(
            f"the catalogue {products.artifact.path} has neither held-out nor test products: nothing can be asked. "
            "Prepare it with more rows, or a larger --held-out-rows"
        )
    return found


def _test_rows(products: Catalogue, shard: int, count: int, folder: Path) -> "pa.Table":
    import pyarrow.compute as pc

    table = products.read_shard(shard, folder)
    return table.filter(pc.equal(table["split"], TEST)).slice(0, count)


def _questions(group: str, table: "pa.Table") -> Iterator[Question]:
    for row in table.select(["uid", "title", "content", "cluster"]).to_pylist():
        yield Question(group, Title(row["uid"], row["title"], row["uid"], row["cluster"]), row["content"])
