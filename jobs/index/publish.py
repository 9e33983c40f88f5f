"""Publishing a build: its product table replaces the one in use in one transaction, and skuscribe.index_build records it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from psycopg import sql

from jobs.database.connection import Connection, formatted, statement
from jobs.database.short_attempts import in_short_attempts
from jobs.index.product_table import Table
from jobs.process.errors import NotReadyError

PUBLISH_SECONDS = 1800
"""How long a finished build waits for readers of the old index. Building it again would take longer."""

FIGURES = ("rows", "vectors_new", "rows_removed", "index_bytes", "table_bytes", "seconds")


@dataclass(frozen=True)
class Build:
    """What the index over a table was built from and with, as skuscribe.index_build records it."""

    catalogue_digest: str
    encoder: str
    encoder_digest: str
    dimensions: int
    m: int
    ef_construction: int
    index_seconds: float
    recall_at_10: Mapping[str, float]
    recall_queries: int
    ef_search: int


def publish(connection: Connection, table: Table, build: Build, started: float) -> dict[str, int | float]:
    """Replace the table in use by a filled and indexed one, and record the build. Returns its figures.

    A build that is published already returns the figures of its record: the answer to its commit was lost.

    This needs a lock that conflicts with every reader: see `in_short_attempts()`. Errors: those of it after `PUBLISH_SECONDS`;
    `NotReadyError` (75) if another process has replaced the table.
    """
    return in_short_attempts(connection, lambda: _publish(connection, table, build, started), PUBLISH_SECONDS)


def _publish(connection: Connection, table: Table, build: Build, started: float) -> dict[str, int | float]:
    names = {"name": f"skuscribe.{table.name}", "index": f"skuscribe.{table.name}_hnsw", "oid": table.oid}
    _, found, parts = connection.execute_all(
        ("SELECT FROM skuscribe.catalogue WHERE catalogue_id = %s FOR UPDATE", [table.catalogue_id]),
        (formatted("built_table", table=table.identifier), names),
        (statement("partition_of"), {"catalogue_id": table.catalogue_id}),
    )
    is_ours, is_published, rows, vectors_new, table_bytes, index_bytes = found.fetchone() or (False,) * 6
    if not is_ours:
        raise NotReadyError(
            f"another process has built the index of {table.catalogue!r} since this one lost its lock: run `skuscribe index` again"
        )
    if is_published:
        return _recorded_figures(connection, table)
    old_tables = [sql.Identifier(name) for (name,) in parts.fetchall()]
    figures: dict[str, int | float] = {
        "rows": rows,
        "vectors_new": vectors_new,
        "rows_removed": _count_removed(connection, table, old_tables),
        "index_bytes": index_bytes,
        "table_bytes": table_bytes,
        "seconds": round(time.monotonic() - started, 3),
    }
    values = asdict(table) | asdict(build) | figures | {"recall_at_10": json.dumps(build.recall_at_10)}
    connection.execute_all(
        (formatted("forget_embedded", table=table.identifier), None),
        *((swap, None) for swap in _swap(table, old_tables)),
        (statement("publish_catalogue"), values),
        (statement("record_build"), values),
    )
    return figures


def _recorded_figures(connection: Connection, table: Table) -> dict[str, int | float]:
    query = sql.SQL("SELECT {} FROM skuscribe.index_build WHERE catalogue = %s AND generation = %s")
    columns = sql.SQL(", ").join(map(sql.Identifier, FIGURES))
    row = connection.execute(query.format(columns), [table.catalogue, table.generation]).fetchone() or ()
    return dict(zip(FIGURES, row, strict=True))


def _count_removed(connection: Connection, table: Table, old_tables: Sequence[sql.Identifier]) -> int:
    """Return the number of products that the catalogue no longer has."""
    removed = sql.SQL(
        "SELECT count(*) FROM skuscribe.{old} o WHERE NOT EXISTS (SELECT FROM skuscribe.{new} n WHERE n.uid = o.uid)"
    )
    return sum(connection.value(removed.format(old=old, new=table.identifier)) for old in old_tables)


def _swap(table: Table, old_tables: Sequence[sql.Identifier]) -> list[sql.Composed]:
    """Return the statements that attach the table in the place of the one in use."""
    attach = sql.SQL("ALTER TABLE skuscribe.product ATTACH PARTITION skuscribe.{} FOR VALUES IN ({})")
    return [
        *(sql.SQL("ALTER TABLE skuscribe.product DETACH PARTITION skuscribe.{}").format(old) for old in old_tables),
        attach.format(table.identifier, table.catalogue),
        *(sql.SQL("DROP TABLE skuscribe.{}").format(old) for old in old_tables),
    ]
