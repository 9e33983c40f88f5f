"""Publishing a build: its product table replaces the one in use in one transaction, and skuscribe.index_build records it."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import LiteralString

from psycopg import errors, sql

from jobs.database.connection import Connection, formatted, statement
from jobs.index.product_table import Table
from jobs.process import log

PUBLISH_ATTEMPTS = 10
LOCK_TIMEOUT = "3s"


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

    This needs a lock that conflicts with every reader. An attempt gives up after `LOCK_TIMEOUT`, so that new readers do not
    queue behind it. Errors: after `PUBLISH_ATTEMPTS` that of the lock, which a session translates to `NotReadyError` (75).
    """
    for attempt in range(1, PUBLISH_ATTEMPTS):
        try:
            with connection.transaction():
                return _publish(connection, table, build, started)
        except errors.LockNotAvailable:
            log.warning("a long query holds the old index: trying again", attempt=attempt)
            time.sleep(min(attempt, 5))
    with connection.transaction():
        return _publish(connection, table, build, started)


def _publish(connection: Connection, table: Table, build: Build, started: float) -> dict[str, int | float]:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
    vectors_new = _count(
        connection,
        "SELECT count(*) FROM skuscribe.embedded e "
        "WHERE EXISTS (SELECT FROM skuscribe.{new} p WHERE p.content_hash = e.content_hash)",
        new=table.identifier,
    )
    connection.execute(formatted("forget_embedded", table=table.identifier))
    table_bytes, index_bytes = _sizes(connection, table)
    rows = _count(connection, "SELECT count(*) FROM skuscribe.{table}", table=table.identifier)
    rows_removed = _swap(connection, table)
    figures: dict[str, int | float] = {
        "rows": rows,
        "vectors_new": vectors_new,
        "rows_removed": rows_removed,
        "index_bytes": index_bytes,
        "table_bytes": table_bytes,
        "seconds": round(time.monotonic() - started, 3),
    }
    values = asdict(table) | asdict(build) | figures | {"recall_at_10": json.dumps(build.recall_at_10)}
    connection.execute(statement("publish_catalogue"), values)
    connection.execute(statement("record_build"), values)
    return figures


def _swap(connection: Connection, table: Table) -> int:
    """Attach the table in the place of the one in use. Returns the number of products that the catalogue no longer has."""
    partitions = connection.execute(statement("partition_of"), {"catalogue_id": table.catalogue_id}).fetchall()
    old_tables = [sql.Identifier(name) for (name,) in partitions]
    removed: LiteralString = (
        "SELECT count(*) FROM skuscribe.{old} o WHERE NOT EXISTS (SELECT FROM skuscribe.{new} n WHERE n.uid = o.uid)"
    )
    rows_removed = sum(_count(connection, removed, old=old, new=table.identifier) for old in old_tables)
    for old in old_tables:
        connection.execute(sql.SQL("ALTER TABLE skuscribe.product DETACH PARTITION skuscribe.{}").format(old))
    attach = sql.SQL("ALTER TABLE skuscribe.product ATTACH PARTITION skuscribe.{} FOR VALUES IN ({})")
    connection.execute(attach.format(table.identifier, table.catalogue))
    for old in old_tables:
        connection.execute(sql.SQL("DROP TABLE skuscribe.{}").format(old))
    return rows_removed


def _count(connection: Connection, query: LiteralString, **tables: sql.Identifier) -> int:
    row = connection.execute(sql.SQL(query).format(**tables)).fetchone()
    return int(row[0]) if row else 0


def _sizes(connection: Connection, table: Table) -> tuple[int, int]:
    """Return the size of the table without indexes, and of its HNSW index, in bytes."""
    names = [f"skuscribe.{table.name}", f"skuscribe.{table.name}_hnsw"]
    query = "SELECT pg_table_size(%s::regclass), pg_relation_size(%s::regclass)"
    row = connection.execute(query, names).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
