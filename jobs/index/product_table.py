"""The table of a catalogue's products, filled beside the table in use.

It is named product_<catalogue_id>_<generation> and becomes a partition of skuscribe.product (sql/0001_schema.sql says why).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from jobs.database.connection import Connection, first_value, formatted, statement
from jobs.process import folders
from jobs.process.errors import NotReadyError
from jobs.retrieval.encoder import text_to_embed
from jobs.storage import layout
from jobs.storage.catalogue import Catalogue

JOB = "index"
_COPY_LOADED = "COPY loaded (uid, title, content, cluster, split, shard, row, content_hash) FROM STDIN (FORMAT binary)"
_LOADED_TYPES = ("text", "text", "text", "int8", "text", "int4", "int8", "bytea")


class MissingVectors(NotReadyError):
    """Texts of these files of the catalogue have no vector."""

    def __init__(self, message: str, files: Sequence[str]) -> None:
        super().__init__(message)
        self.files = files


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
    """The product table of one build of a catalogue's index. `generation` counts the builds, from 1.

    `oid` tells it from a table of the same name that another process has made, 0 before it is created.
    """

    catalogue: str
    catalogue_id: int
    generation: int
    oid: int = 0

    @property
    def name(self) -> str:
        """The name of the table in the schema skuscribe."""
        return f"product_{self.catalogue_id}_{self.generation}"

    @property
    def identifier(self) -> sql.Identifier:
        """The name of the table, to be put into a statement."""
        return sql.Identifier(self.name)


def build_lock(catalogue: str) -> str:
    """Return the key of the lock that a build of a catalogue's index holds; `held_builds.sql` has it too."""
    return f"skuscribe.index.{catalogue}"


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


def register(connection: Connection, catalogue: str) -> None:
    """Insert the catalogue if it is new, so that others see what is being built."""
    connection.execute(statement("register_catalogue"), {"catalogue": catalogue})


def fill(connection: Connection, catalogue: str, products: Catalogue, encoder_digest: str) -> Table:
    """Create the table of the next build, with every product of the catalogue and its vector, and no index yet.

    The tables that earlier builds left behind are dropped: killed ones, and one whose answer was lost. The row of the
    catalogue is locked meanwhile, so that no other build is published. Errors: `MissingVectors` (75) naming the files that are
    not embedded yet.
    """
    with connection.transaction():
        registered, _ = connection.execute_all(
            (statement("register_catalogue"), {"catalogue": catalogue}), (statement("create_loaded"), None)
        )
        catalogue_id, generation = registered.fetchone() or (0, 0)
        _drop_abandoned(connection, catalogue_id)
        rejected: list[str] = []
        copy(connection, _COPY_LOADED, _LOADED_TYPES, _rows_of_all_files(products, encoder_digest, rejected))
        _record_rejected(connection, catalogue, rejected)
        missing = connection.execute(statement("missing_files"), {"catalogue": catalogue}).fetchall()
        _raise_if_missing(catalogue, missing)
        return _create(connection, Table(catalogue, catalogue_id, generation + 1))


def exists(connection: Connection, table: Table) -> bool:
    """Return whether the table is still there: another build would have dropped or replaced it."""
    return bool(connection.value("SELECT to_regclass(%s)::oid = %s", [f"skuscribe.{table.name}", table.oid]))


def _drop_abandoned(connection: Connection, catalogue_id: int) -> None:
    names = connection.execute(statement("abandoned_tables"), {"catalogue_id": catalogue_id}).fetchall()
    if names:
        tables = sql.SQL(", ").join(sql.SQL("skuscribe.{}").format(sql.Identifier(name)) for (name,) in names)
        connection.execute(sql.SQL("DROP TABLE {}").format(tables))


def _rows_of_all_files(products: Catalogue, encoder_digest: str, rejected: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the files. The uids of the products that cannot be stored are added to `rejected`."""
    for file in products.files():
        rows, rejected_in_file = read_rows(products, file, encoder_digest)
        rejected += rejected_in_file
        yield from (tuple(vars(row).values()) for row in rows)


def _record_rejected(connection: Connection, catalogue: str, uids: Iterable[str]) -> None:
    """Record the products that cannot be stored, and remove the failures of those that have left the catalogue."""
    error = "its text has a NUL character, which Postgres cannot store"
    failures = [(statement("write_failure"), _failure(catalogue, uid, None, error)) for uid in uids]
    forget = (statement("forget_failures"), {"job": JOB, "scope": catalogue})
    connection.execute_all(forget, *failures, ("ANALYZE loaded", None))


def _raise_if_missing(catalogue: str, missing: Sequence[tuple[Any, ...]]) -> None:
    """Raise `MissingVectors` if there is a row: the shard of a file, and the number of its texts without a vector."""
    if missing:
        names = [layout.HELD_OUT_FILE if shard is None else layout.shard_file(shard) for shard, _ in missing]
        listed = ", ".join(f"{name} ({texts} texts)" for name, (_, texts) in zip(names, missing, strict=True))
        raise MissingVectors(
            f"these files of {catalogue} are not embedded yet: {listed}. Run `skuscribe index --phase embed --catalogue "
            f"{catalogue}` first",
            names,
        )


def _create(connection: Connection, table: Table) -> Table:
    """Create and fill the table from the loaded rows. Returns it with its oid. Errors: `MissingVectors` (75)."""
    parts = {"table": table.identifier, "catalogue": sql.Literal(table.catalogue)}
    *_, found, unfilled = connection.execute_all(
        (formatted("create_product_table", **parts), None),
        (formatted("fill_product_table", **parts), {"catalogue": table.catalogue}),
        (sql.SQL("ANALYZE skuscribe.{}").format(table.identifier), None),
        ("SELECT to_regclass(%s)::oid", [f"skuscribe.{table.name}"]),
        (formatted("unfilled_files", **parts), {"catalogue": table.catalogue}),
    )
    _raise_if_missing(table.catalogue, unfilled.fetchall())
    return replace(table, oid=int(first_value(found)))


def copy(connection: Connection, query: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Send rows through a binary COPY. `types`: the Postgres types of the columns."""
    with connection.cursor() as cursor, cursor.copy(query) as sent:
        sent.set_types(types)
        for row in rows:
            sent.write_row(row)


def record_failure(connection: Connection, catalogue: str, uid: str, content_hash: bytes, error: str) -> None:
    """Record that a product with this text could not be indexed."""
    connection.execute(statement("write_failure"), _failure(catalogue, uid, content_hash, error))


def _failure(catalogue: str, uid: str, content_hash: bytes | None, error: str) -> dict[str, str | bytes | None]:
    return {"job": JOB, "scope": catalogue, "uid": uid, "error": error, "content_hash": content_hash}
