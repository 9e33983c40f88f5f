"""The table of a catalogue's products: filled beside the table in use, then published in its place.

It is named product_<catalogue_id>_<generation> and becomes a partition of skuscribe.product (sql/0001_schema.sql says why).
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, LiteralString

from psycopg import errors, sql

from jobs.database.connection import Connection, formatted, statement
from jobs.process import folders, log
from jobs.process.errors import NotReadyError
from jobs.retrieval.encoder import text_to_embed
from jobs.storage import layout
from jobs.storage.catalogue import Catalogue

JOB = "index"
PUBLISH_ATTEMPTS = 10
LOCK_TIMEOUT = "3s"
_COPY_LOADED = "COPY loaded (uid, title, content, cluster, split, shard, row, content_hash) FROM STDIN (FORMAT binary)"
_LOADED_TYPES = ("text", "text", "text", "int8", "text", "int4", "int8", "bytea")


@dataclass(frozen=True)
class ProductRow:
    """A product as the database stores it. `content_hash` identifies its text together with the encoder."""

    uid: str
    title: str
    content: str
    cluster: int
    split: str
    shard: int | None
    row: int
    content_hash: bytes


@dataclass(frozen=True)
class Table:
    """The product table of one build of a catalogue's index. `generation` counts the builds, from 1."""

    catalogue: str
    catalogue_id: int
    generation: int

    @property
    def name(self) -> str:
        """The name of the table in the schema skuscribe."""
        return f"product_{self.catalogue_id}_{self.generation}"

    @property
    def identifier(self) -> sql.Identifier:
        """The name of the table, to be put into a statement."""
        return sql.Identifier(self.name)


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


def read_rows(products: Catalogue, file: str, encoder_digest: str) -> tuple[list[ProductRow], list[str]]:
    """Return the rows of a catalogue file, and the uids of the products with a NUL character, which Postgres cannot store."""
    with folders.temporary_folder() as folder:
        table = products.read_file(file, folder)
    shard = products.files().index(file) if file != layout.HELD_OUT_FILE else None
    salt = encoder_digest.encode()
    rows, rejected = [], []
    for product in table.to_pylist():
        uid, title, content = product["uid"], product["title"], product["content"]
        text = text_to_embed(title, content)
        if "\0" in text or "\0" in uid:
            rejected.append(uid.replace("\0", ""))
            continue
        content_hash = hashlib.sha256(salt + text.encode()).digest()
        cluster, split, row = product["cluster"], product["split"], product["row"]
        rows.append(ProductRow(uid, title, content, cluster, split, shard, row, content_hash))
    return rows, rejected


def next_table(connection: Connection, catalogue: str) -> Table:
    """Return the table of the next build. The first build registers the catalogue."""
    row = connection.execute(statement("register_catalogue"), {"catalogue": catalogue}).fetchone() or (0, 0)
    return Table(catalogue, catalogue_id=row[0], generation=row[1] + 1)


def drop_abandoned(connection: Connection, catalogue_id: int) -> None:
    """Drop the tables that killed builds of this catalogue left behind."""
    for (name,) in connection.execute(statement("abandoned_tables"), {"catalogue_id": catalogue_id}).fetchall():
        connection.execute(sql.SQL("DROP TABLE skuscribe.{}").format(sql.Identifier(name)))


def fill(connection: Connection, table: Table, products: Catalogue, encoder_digest: str) -> None:
    """Create the table, with every product of the catalogue and its vector, and no index yet.

    Errors: `NotReadyError` (75) naming the files that are not embedded yet.
    """
    with connection.transaction():
        connection.execute(statement("create_loaded"))
        rejected = []
        for file in products.files():
            rows, rejected_in_file = read_rows(products, file, encoder_digest)
            copy(connection, _COPY_LOADED, _LOADED_TYPES, (tuple(vars(row).values()) for row in rows))
            rejected += rejected_in_file
        connection.execute(statement("forget_failures"), {"job": JOB, "scope": table.catalogue})
        for uid in rejected:
            record_failure(
                connection, table.catalogue, uid, "its text has a NUL character, which Postgres cannot store"
            )
        connection.execute("ANALYZE loaded")
        _require_vectors(connection, table.catalogue)
        parts = {"table": table.identifier, "catalogue": sql.Literal(table.catalogue)}
        connection.execute(formatted("create_product_table", **parts))
        connection.execute(formatted("fill_product_table", **parts), {"catalogue": table.catalogue})
    connection.execute(sql.SQL("ANALYZE skuscribe.{}").format(table.identifier))


def _require_vectors(connection: Connection, catalogue: str) -> None:
    missing = connection.execute(statement("missing_files"), {"catalogue": catalogue}).fetchall()
    if missing:
        names = [layout.HELD_OUT_FILE if shard is None else layout.shard_file(shard) for shard, _ in missing]
        listed = ", ".join(f"{name} ({texts} texts)" for name, (_, texts) in zip(names, missing, strict=True))
        raise NotReadyError(
            f"these files of {catalogue} are not embedded yet: {listed}. Run `skuscribe index --phase embed --catalogue "
            f"{catalogue}` first"
        )


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
    figures: dict[str, int | float] = {
        "rows": _count(connection, "SELECT count(*) FROM skuscribe.{table}", table=table.identifier),
        "vectors_new": vectors_new,
        "rows_removed": _swap(connection, table),
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


def copy(connection: Connection, query: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Send rows through a binary COPY. `types`: the Postgres types of the columns."""
    with connection.cursor() as cursor, cursor.copy(query) as sent:
        sent.set_types(types)
        for row in rows:
            sent.write_row(row)


def record_failure(connection: Connection, catalogue: str, uid: str, error: str) -> None:
    """Record that a product could not be indexed."""
    values = {"job": JOB, "scope": catalogue, "uid": uid, "error": error}
    connection.execute(statement("write_failure"), values)


def clear_failures(connection: Connection, catalogue: str, uids: Sequence[str]) -> None:
    """Remove the recorded failures of these products."""
    connection.execute(statement("clear_failures"), {"job": JOB, "scope": catalogue, "uids": list(uids)})


def _count(connection: Connection, query: LiteralString, **tables: sql.Identifier) -> int:
    row = connection.execute(sql.SQL(query).format(**tables)).fetchone()
    return int(row[0]) if row else 0


def _sizes(connection: Connection, table: Table) -> tuple[int, int]:
    """Return the size of the table without indexes, and of its HNSW index, in bytes."""
    names = [f"skuscribe.{table.name}", f"skuscribe.{table.name}_hnsw"]
    query = "SELECT pg_table_size(%s::regclass), pg_relation_size(%s::regclass)"
    row = connection.execute(query, names).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
