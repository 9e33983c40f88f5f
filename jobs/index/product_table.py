"""The table of a catalogue's products, filled beside the table in use.

It is named product_<catalogue_id>_<generation> and becomes a partition of skuscribe.product (sql/0001_schema.sql says why).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from jobs.database.connection import Connection, formatted, statement
from jobs.process import folders
from jobs.process.errors import NotReadyError
from jobs.retrieval.encoder import text_to_embed
from jobs.storage import layout
from jobs.storage.catalogue import Catalogue

JOB = "index"
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
