"""The products to learn from: a seeded sample of a split, each with its nearest training products of other clusters."""

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.database.connection import Connection, session, statement
from jobs.process import lifecycle, log

NEIGHBOURS = 8
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


def sample(catalogue: str, split: str, count: int | None, seed: int) -> list[LearningProduct]:
    """Return at most `count` products of a split, or all, in a seeded random order. Errors: `Interrupted` between queries."""
    with session(read_only=True) as connection:
        query = {"catalogue": catalogue, "split": split, "seed": str(seed), "products": count}
        rows = [row for (row,) in connection.execute(statement("match_products"), query)]
        with (
            log.progress(f"{split} products with neighbours", len(rows), "products") as progress,
            lifecycle.deferred() as stop,
        ):
            products: list[LearningProduct] = []
            for start in range(0, len(rows), _ROWS_PER_QUERY):
                stop.check()
                products += _with_neighbours(connection, catalogue, rows[start : start + _ROWS_PER_QUERY])
                progress.advance(min(_ROWS_PER_QUERY, len(rows) - start))
    return products


def _with_neighbours(connection: Connection, catalogue: str, rows: list[int]) -> Iterator[LearningProduct]:
    values = {"catalogue": catalogue, "neighbours": NEIGHBOURS, "rows": rows}
    with connection.transaction():
        for uid, title, text, cluster, titles, texts in connection.execute(statement("match_neighbours"), values):
            yield LearningProduct(uid, title, text, cluster, tuple(titles), tuple(texts))
