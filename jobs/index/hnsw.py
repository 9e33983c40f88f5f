"""The HNSW index (Malkov and Yashunin, arXiv 1603.09320) of a product table: its build and its recall."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import errors, sql

from jobs.database.address import address
from jobs.database.connection import Connection, formatted
from jobs.database.repeat import repeated
from jobs.process import log
from jobs.process.errors import NotReadyError

RECALL_QUERIES = 200
BUILD_WORKERS = 2
MAX_BUILD_MEMORY_MB, MIN_BUILD_MEMORY_MB = 2048, 64
EF_SEARCH = (40, 80, 120, 200, 320, 500, 800)
FULL_RECALL = 0.999
SAME_DISTANCE = 1e-6
_SET = "SELECT set_config(%s, %s, true)"
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Parameters:
    """The parameters of an HNSW index."""

    dimensions: int
    m: int
    ef_construction: int


def create(connection: Connection, table: str, parameters: Parameters, lost: int = 0) -> None:
    """Build the index `TABLE_hnsw`, unless it exists: it is complete then, and only its answer was lost.

    A parallel build takes its memory from the server's /dev/shm, which is 64 MiB in a container by default. If that is too
    small, for which the server has the code of a full disk or of no memory, the index is built without workers.

    `lost`: the earlier builds of this index whose connection was lost. A server that kills a process for its memory restarts, and
    with it every session. So the second build needs less memory. Errors: `NotReadyError` (75) instead of a third one.
    """
    if lost > 1 and connection.value("SELECT to_regclass(%s)", [f"skuscribe.{table}_hnsw"]) is None:
        raise NotReadyError(
            f"the connection to Postgres at {address()} was lost in {lost} builds of an index, the last one without parallel workers: "
            "see its log, give the server more memory if it ran out of it, and run again"
        )
    rows = connection.value(sql.SQL("SELECT count(*) FROM skuscribe.{}").format(sql.Identifier(table)))
    needed_mb = build_bytes(rows, parameters) // _MIB + 1
    memory_mb = min(MAX_BUILD_MEMORY_MB, max(MIN_BUILD_MEMORY_MB, needed_mb))
    if lost:
        _create(connection, table, parameters, max(MIN_BUILD_MEMORY_MB, memory_mb // 4), 0)
        return
    try:
        _create(connection, table, parameters, memory_mb, BUILD_WORKERS)
    except (errors.DiskFull, errors.OutOfMemory) as error:
        log.warning(
            "a parallel build failed, probably because the server's shared memory (/dev/shm) is too small: building without workers",
            needed_mb=memory_mb,
            error=str(error),
        )
        _create(connection, table, parameters, memory_mb, 0)


def build_bytes(rows: int, parameters: Parameters) -> int:
    """Return the memory that the graph takes while it is built.

    A vector takes 2 bytes a number, a link 16 bytes, and a vector has 2 m links in the lowest layer. The upper layers and the
    allocator take a third more.
    """
    return rows * (2 * parameters.dimensions + 2 * parameters.m * 16 + 256) * 4 // 3


def measure_recall(table: str, dimensions: int, seed: int, at_least: float) -> dict[str, float]:
    """Return recall@10 by ef_search: the fraction of the 10 exact nearest neighbours that a search of the index finds.

    The queries are the vectors of `RECALL_QUERIES` random products; a product is not its own neighbour. The larger values
    of ef_search are left out once one has full recall, and at least `at_least`.
    """
    sample = formatted("recall_queries", table=sql.Identifier(table))
    values = {"seed": str(seed), "queries": RECALL_QUERIES}
    rows = [row for (row,) in repeated(lambda connection: connection.execute(sample, values).fetchall())]
    if not rows:
        return {str(EF_SEARCH[0]): 1.0}
    exact = _nearest_distances(table, dimensions, rows, {"enable_indexscan": "off"})
    recall = {}
    for ef_search in EF_SEARCH:
        options = {"enable_seqscan": "off", "enable_sort": "off", "hnsw.ef_search": str(ef_search)}
        found = _nearest_distances(table, dimensions, rows, options)
        recall[str(ef_search)] = round(recall_of(exact, found), 5)
        if recall[str(ef_search)] >= max(FULL_RECALL, at_least):
            break
    return recall


def recall_of(exact: Mapping[int, list[float]], found: Mapping[int, list[float]]) -> float:
    """Return the fraction of the exact neighbours that were found, given the ascending distances by query.

    Neighbours count by distance, so that another product at the same distance as the last exact one counts as found.
    """
    total = sum(len(distances) for distances in exact.values())
    hits = sum(
        min(len(distances), sum(distance <= distances[-1] + SAME_DISTANCE for distance in found[row]))
        for row, distances in exact.items()
        if distances
    )
    return hits / total if total else 1.0


def is_measured(recall: Mapping[str, float], at_least: float) -> bool:
    """Return whether a recall of `at_least` was measured, or with every ef_search that it is not reached."""
    return max(recall.values()) >= at_least or str(EF_SEARCH[-1]) in recall


def choose_ef_search(recall: Mapping[str, float], at_least: float) -> int:
    """Return the smallest ef_search with this recall, or the largest measured one with a warning if none has it."""
    sufficient = [int(ef_search) for ef_search, value in recall.items() if value >= at_least]
    if sufficient:
        return min(sufficient)
    largest = max(map(int, recall))
    log.warning(
        "no ef_search reaches --recall-at-least: raise --m or --ef-construction",
        recall_at_least=at_least,
        ef_search=largest,
        recall_at_10=recall[str(largest)],
    )
    return largest


def _create(connection: Connection, table: str, parameters: Parameters, memory_mb: int, workers: int) -> None:
    create = formatted(
        "create_hnsw",
        index=sql.Identifier(f"{table}_hnsw"),
        table=sql.Identifier(table),
        dimensions=sql.Literal(parameters.dimensions),
        m=sql.Literal(parameters.m),
        ef_construction=sql.Literal(parameters.ef_construction),
    )
    # The server may still build the index of a lost connection: it holds this lock until it has noticed.
    lock = sql.SQL("LOCK TABLE skuscribe.{} IN SHARE UPDATE EXCLUSIVE MODE").format(sql.Identifier(table))
    connection.execute_all(
        (_SET, ["maintenance_work_mem", f"{memory_mb}MB"]),
        (_SET, ["max_parallel_maintenance_workers", str(workers)]),
        (lock, None),
        (create, None),
    )


def _nearest_distances(
    table: str, dimensions: int, rows: list[int], options: Mapping[str, str]
) -> dict[int, list[float]]:
    """Return the ascending distances of the 10 nearest products of each row, searched with these server settings."""
    query = formatted("nearest_distances", table=sql.Identifier(table), dimensions=sql.Literal(dimensions))
    settings = [(_SET, [name, value]) for name, value in options.items()]

    def search(connection: Connection) -> dict[int, list[float]]:
        *_, found = connection.execute_all(*settings, (query, {"rows": rows}))
        return dict(found.fetchall())

    return repeated(search, read_only=True)
