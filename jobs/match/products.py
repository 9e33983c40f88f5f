"""The products to learn from: a seeded sample of a split, each with its nearest training products of other clusters.

These are searched with the vector in the index, of title and content. `describe` has only a title to search with, and finds
73 % of the same products. On 3,500 real rows, a matcher that was trained in this way holds back as many texts of each kind with either
kind of neighbours, within 1.1 percentage points.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.database.connection import Connection, statement
from jobs.database.repeat import repeated
from jobs.process import lifecycle, log
from jobs.quality.settings import EVIDENCE_NEIGHBOURS
from jobs.retrieval.neighbours import MAX_TIES
from jobs.retrieval.search_index import SearchIndex, require_same_index

_ROWS_PER_QUERY = 250


@dataclass(frozen=True)
class LearningProduct:
    """A product with its own text, and the titles and texts of the nearest other products, nearest first."""

    uid: str
    title: str
    text: str
    cluster: int
    other_titles: tuple[str, ...]
    other_texts: tuple[str, ...]


def sample(index: SearchIndex, split: str, count: int | None, seed: int) -> list[LearningProduct]:
    """Return at most `count` products of a split, or all, in a seeded random order.

    Errors: `Interrupted` between queries; `NotReadyError` (75) if an index of other products has replaced this one meanwhile.
    """
    rows = [row for (row,) in _select("match_products", index, split, {"seed": str(seed), "products": count})]
    with (
        log.progress(f"{split} products with neighbours", len(rows), "products") as progress,
        lifecycle.deferred() as stop,
    ):
        products: list[LearningProduct] = []
        for start in range(0, len(rows), _ROWS_PER_QUERY):
            stop.check()
            products += _with_neighbours(index, split, rows[start : start + _ROWS_PER_QUERY])
            progress.advance(min(_ROWS_PER_QUERY, len(rows) - start))
    return products


def _with_neighbours(index: SearchIndex, split: str, rows: list[int]) -> list[LearningProduct]:
    values = {"neighbours": EVIDENCE_NEIGHBOURS, "searched": EVIDENCE_NEIGHBOURS + MAX_TIES, "rows": rows}
    return [
        LearningProduct(uid, title, text, cluster, tuple(titles), tuple(texts))
        for uid, title, text, cluster, titles, texts in _select("match_neighbours", index, split, values)
    ]


def _select(name: str, index: SearchIndex, split: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of the query `sql/queries/NAME.sql`, read from this index."""
    values = {**values, "catalogue": index.catalogue, "split": split}

    def select(connection: Connection) -> list[tuple[Any, ...]]:
        with connection.transaction():
            require_same_index(connection, index)
            return connection.execute(statement(name), values).fetchall()

    return repeated(select, read_only=True)
