"""The questions of a run: the same titles for every stage, each with the seller's text as its reference."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.process.errors import InputError
from jobs.storage.catalogue import TEST, Catalogue, Title
from jobs.storage.layout import QuestionGroup


@dataclass(frozen=True)
class Question:
    """A title to describe, and the reference that the answer is compared with."""

    group: QuestionGroup
    title: Title
    reference: str


def of_stage(products: Catalogue, shard: int | None, count: int, folder: Path) -> list[Question]:
    """Return the questions of a stage: the first `count` products of each group, as `QuestionGroup` defines the groups.

    `shard`: the shard just trained, None for the base model. Errors: `InputError` (65) if no group has products.
    """
    held_out = products.read_held_out(folder).slice(0, count)
    first = _test_rows(products, 0, count, folder)
    own = _test_rows(products, shard, count, folder) if shard else first
    tables = {QuestionGroup.HELD_OUT: held_out, QuestionGroup.OWN_SHARD: own, QuestionGroup.FIRST_SHARD: first}
    questions = [question for group, table in tables.items() for question in _questions(group, table)]
    if not questions:
        raise InputError(
            f"the catalogue {products.artifact.url} has neither held-out nor test products, so there are no questions: "
            "prepare it with more rows, or with a larger --held-out-rows"
        )
    return questions


def _test_rows(products: Catalogue, shard: int, count: int, folder: Path) -> pa.Table:
    table = products.read_shard(shard, folder)
    return table.filter(pc.equal(table["split"], TEST)).slice(0, count)


def _questions(group: QuestionGroup, table: pa.Table) -> Iterator[Question]:
    for row in table.select(["uid", "title", "content", "cluster"]).to_pylist():
        yield Question(group, Title(row["uid"], row["title"], row["uid"], row["cluster"]), row["content"])
