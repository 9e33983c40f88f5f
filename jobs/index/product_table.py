"""The table of a catalogue's products: filled beside the one in use, then put in its place at once.

product_<catalogue>_<generation>   a partition of skuscribe.product (sql/0001_schema.sql says why)
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobs.database import connection as database
from jobs.process import folders, log
from jobs.process.errors import NotReadyError
from jobs.retrieval import encoder as embedding
from jobs.retrieval.encoder import Encoder
from jobs.storage import layout
from jobs.storage.catalogue import Catalogue

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.database.connection import Connection

JOB = "index"
PUBLISH_ATTEMPTS = 10
LOCK_TIMEOUT = "3s"


@dataclass(frozen=True)
class Row:
    """A product on its way into the database. `content_hash` stands for the encoder and the text that it embeds."""

    uid: str
    title: str
    content: str
    cluster: int
    split: str
    shard: int | None
    row: int
    content_hash: bytes


@dataclass(frozen=True)
class Build:
    """A filled and indexed table that is ready to be published, and what it was made from."""

    catalogue: str
    catalogue_id: int
    generation: int
    table: str
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


def rows_of(found: Catalogue, file: str, products: "pa.Table", encoder: Encoder) -> tuple[list[Row], list[str]]:
    """The rows of one file, and the uids of those that Postgres cannot hold, for they have a NUL character."""
    shard = found.files().index(file) if file != layout.HELD_OUT_FILE else None
    salt = encoder.digest.encode()
    rows, unfit = [], []
    for item in products.to_pylist():
        text = embedding.text_to_embed(item["title"], item["content"])
        if "\0" in text or "\0" in item["uid"]:
            unfit.append(item["uid"].replace("\0", ""))
            continue
        digest = hashlib.sha256(salt + text.encode()).digest()
        rows.append(
            Row(item["uid"], item["title"], item["content"], item["cluster"], item["split"], shard, item["row"], digest)
        )
    return rows, unfit


def drop_abandoned(connection: "Connection", catalogue_id: int) -> None:
    """Remove what killed builds of this catalogue have left."""
    from psycopg import sql

    for (table,) in connection.execute(
        database.statement("abandoned_tables"), {"catalogue_id": catalogue_id}
    ).fetchall():
        connection.execute(database.formatted("drop_table", table=sql.Identifier(table)))


def load(connection: "Connection", name: str, found: Catalogue, encoder: Encoder, table: str) -> None:
    """Make the table and fill it with every product of the catalogue and its vector.

    Errors: `NotReadyError` (75) naming the files that are not embedded yet.
    """
    from psycopg import sql

    with connection.transaction(), folders.temporary_folder() as folder:
        connection.execute(database.statement("create_loaded"))
        unfit: list[str] = []
        for file in found.files():
            rows, unfit_here = rows_of(found, file, found.read_file(file, folder), encoder)
            types = ["text", "text", "text", "int8", "text", "int4", "int8", "bytea"]
            copy(connection, "copy_loaded", types, (tuple(vars(row).values()) for row in rows))
            unfit += unfit_here
        connection.execute(database.statement("forget_failures"), {"job": JOB, "scope": name})
        for uid in unfit:
            fail(connection, name, uid, "its text holds a NUL character, which Postgres cannot store")
        connection.execute(database.statement("analyse_loaded"))
        missing = connection.execute(database.statement("missing_files"), {"catalogue": name}).fetchall()
        if missing:
            held_out = layout.HELD_OUT_FILE
            listed = ", ".join(
                f"{held_out if shard is None else layout.shard_file(shard)} ({count} texts)" for shard, count in missing
            )
            raise NotReadyError(
                f"not every file of {name} is embedded yet: {listed}. `skuscribe index --phase embed --catalogue {name}` embeds them"
            )
        parts = {"table": sql.Identifier(table), "catalogue": sql.Literal(name)}
        connection.execute(database.formatted("create_product_table", **parts))
        connection.execute(database.formatted("fill_product_table", **parts), {"catalogue": name})
    connection.execute(database.formatted("analyse_table", table=sql.Identifier(table)))


def publish(connection: "Connection", build: Build, started: float) -> dict[str, int | float]:
    """Put a filled and indexed table in the place of the one before, and record the build. Returns its figures.

    It needs a lock that no reader may hold at that moment. It gives up after `LOCK_TIMEOUT`, so that readers do not queue behind
    it, and tries again. Errors: `NotReadyError` (75) through `database.translated()` after `PUBLISH_ATTEMPTS`.
    """
    import psycopg

    for attempt in range(1, PUBLISH_ATTEMPTS):
        try:
            with connection.transaction():
                return _publish_once(connection, build, started)
        except psycopg.errors.LockNotAvailable:
            log.warning("a long query holds the old index: trying again", attempt=attempt)
            time.sleep(min(attempt, 5))
    with connection.transaction():
        return _publish_once(connection, build, started)


def _publish_once(connection: "Connection", build: Build, started: float) -> dict[str, int | float]:
    from psycopg import sql

    new = {"table": sql.Identifier(build.table)}
    connection.execute(database.statement("set_local"), {"name": "lock_timeout", "value": LOCK_TIMEOUT})
    vectors_new = _one(connection, database.formatted("count_embedded", **new))
    connection.execute(database.formatted("forget_embedded", **new))
    sizes = {"table": f"skuscribe.{build.table}", "index": f"skuscribe.{build.table}_hnsw"}
    found = connection.execute(database.formatted("table_figures", **new), sizes).fetchone()
    rows, table_bytes, index_bytes = found or (0, 0, 0)
    number = {"catalogue_id": build.catalogue_id}
    old = [sql.Identifier(row[0]) for row in connection.execute(database.statement("partition_of"), number)]
    removed = sum(_one(connection, database.formatted("count_removed", old=table, new=new["table"])) for table in old)
    for table in old:
        connection.execute(database.formatted("detach_partition", table=table))
    connection.execute(database.formatted("attach_partition", **new, catalogue=sql.Literal(build.catalogue)))
    for table in old:
        connection.execute(database.formatted("drop_table", table=table))
    figures: dict[str, int | float] = {
        "rows": rows, "vectors_new": vectors_new, "rows_removed": removed, "index_bytes": index_bytes,
        "table_bytes": table_bytes, "seconds": round(time.monotonic() - started, 3),
    }  # fmt: skip
    values = asdict(build) | figures | {"recall_at_10": json.dumps(build.recall_at_10)}
    connection.execute(database.statement("publish_catalogue"), values)
    connection.execute(database.statement("record_build"), values)
    return figures


def copy(connection: "Connection", name: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Binary COPY through a named statement; `types` are the columns'."""
    with connection.cursor() as cursor, cursor.copy(database.statement(name)) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def fail(connection: "Connection", name: str, uid: str, error: str) -> None:
    """Record that a product could not be indexed."""
    connection.execute(database.statement("write_failure"), {"job": JOB, "scope": name, "uid": uid, "error": error})


def _one(connection: "Connection", query: Any) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
