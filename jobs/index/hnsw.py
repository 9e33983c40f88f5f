"""The HNSW index (Malkov and Yashunin, arXiv 1603.09320) of one product table: building it, and measuring what it finds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.database import connection as database
from jobs.process import log

if TYPE_CHECKING:
    from jobs.database.connection import Connection

EF_SEARCH = (40, 80, 120, 200, 320, 500, 800)
ALL = 0.999
SAME_DISTANCE = 1e-6
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Recipe:
    """What decides an HNSW index over a table."""

    dimensions: int
    m: int
    ef_construction: int


def create(connection: "Connection", table: str, recipe: Recipe, memory_mb: int, workers: int) -> float:
    """Build the index `TABLE_hnsw`. Returns the seconds that it took.

    A parallel build takes its memory from the server's /dev/shm, which a container has only 64 MiB of unless told
    otherwise: where that is too small, it is built again without workers.
    """
    import psycopg

    started = time.monotonic()
    rows = _count(connection, table)
    needed = min(memory_mb, max(64, build_bytes(rows, recipe) // _MIB + 1))
    try:
        _create(connection, table, recipe, needed, workers)
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory) as error:
        if workers == 0 or "shared memory" not in str(error):
            raise
        log.warning(
            "the server's /dev/shm is too small for a parallel build: building without workers", needed_mb=needed
        )
        _create(connection, table, recipe, needed, 0)
    return time.monotonic() - started


def build_bytes(rows: int, recipe: Recipe) -> int:
    """The memory in which the whole graph fits while it is built: vectors of 2 bytes a number, links of 16 bytes, 2 m of
    them in the lowest layer, and a third more for the upper layers and the allocator.
    """
    return rows * (2 * recipe.dimensions + 2 * recipe.m * 16 + 256) * 4 // 3


def measure_recall(connection: "Connection", table: str, dimensions: int, queries: int, seed: int) -> dict[str, float]:
    """recall@10 by ef_search: the share of the 10 nearest, found by exact search, that the index finds as well.

    The queries are a seeded sample of the products, each without itself. What is found counts by its distance, so that a
    product as near as the tenth is no error. It ends at the first ef_search that finds all of them.
    """
    from psycopg import sql

    sample = database.formatted("recall_queries", table=sql.Identifier(table))
    rows = [row[0] for row in connection.execute(sample, {"seed": str(seed), "queries": queries})]
    if not rows:
        return {str(EF_SEARCH[0]): 1.0}
    exact = _distances(connection, table, dimensions, rows, {"enable_indexscan": "off"})
    recall = {}
    for ef_search in EF_SEARCH:
        by_index = {"enable_seqscan": "off", "enable_sort": "off", "hnsw.ef_search": str(ef_search)}
        found = _distances(connection, table, dimensions, rows, by_index)
        recall[str(ef_search)] = round(recall_of(exact, found), 5)
        if recall[str(ef_search)] >= ALL:
            break
    return recall


def recall_of(exact: Mapping[int, list[float]], found: Mapping[int, list[float]]) -> float:
    """The share of the exact neighbours that were found, counted by distance; 1.0 where there are none."""
    wanted = sum(len(distances) for distances in exact.values())
    hits = sum(
        min(len(distances), sum(one <= distances[-1] + SAME_DISTANCE for one in found[row]))
        for row, distances in exact.items()
        if distances
    )
    return hits / wanted if wanted else 1.0


def choose_ef_search(recall: Mapping[str, float], at_least: float) -> int:
    """The smallest ef_search with the recall wanted; the largest measured, with a warning, where none has it."""
    enough = [int(ef_search) for ef_search, value in recall.items() if value >= at_least]
    if enough:
        return min(enough)
    largest = max(map(int, recall))
    log.warning(
        "no ef_search reaches the recall wanted: raise --m or --ef-construction",
        wanted=at_least, ef_search=largest, recall_at_10=recall[str(largest)],
    )  # fmt: skip
    return largest


def _create(connection: "Connection", table: str, recipe: Recipe, memory_mb: int, workers: int) -> None:
    from psycopg import sql

    with connection.transaction():
        for name, value in (
            ("maintenance_work_mem", f"{memory_mb}MB"),
            ("max_parallel_maintenance_workers", str(workers)),
        ):
            connection.execute(database.statement("set_local"), {"name": name, "value": value})
        connection.execute(
            database.formatted(
                "create_hnsw",
                index=sql.Identifier(f"{table}_hnsw"),
                table=sql.Identifier(table),
                dimensions=sql.Literal(recipe.dimensions),
                m=sql.Literal(recipe.m),
                ef_construction=sql.Literal(recipe.ef_construction),
            )
        )


def _distances(
    connection: "Connection", table: str, dimensions: int, rows: list[int], options: Mapping[str, str]
) -> dict[int, list[float]]:
    from psycopg import sql

    query = database.formatted("nearest_distances", table=sql.Identifier(table), dimensions=sql.Literal(dimensions))
    with connection.transaction():
        for name, value in options.items():
            connection.execute(database.statement("set_local"), {"name": name, "value": value})
        return dict(connection.execute(query, {"rows": rows}).fetchall())


def _count(connection: "Connection", table: str) -> int:
    from psycopg import sql

    row = connection.execute(database.formatted("count_rows", table=sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0
