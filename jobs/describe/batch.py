"""A batch of descriptions: its artifact, and its rows in Postgres.

The rows of a part are in Postgres before the part is committed. A part can therefore be written and never committed, and a
finished batch is compared with its rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from jobs.database.connection import Connection, statement
from jobs.database.repeat import repeated
from jobs.describe import exports
from jobs.describe.exports import Description
from jobs.process import folders, log
from jobs.storage.artifact import Artifact

JOB = "describe"
"""The value of `job` in the table skuscribe.failure."""

COMPARED_ROWS = 1000
"""Number of rows that are compared in one query. Postgres limits the size of the JSON array that holds them."""


def write_rows(rows: Sequence[Description], batch: str, catalogue: str) -> None:
    """Insert or update the rows in Postgres, and record the failed ones in the table of failures."""
    scope = {"job": JOB, "scope": batch}
    failures = [
        {**scope, "uid": row.uid, "error": row.error, "content_hash": None} for row in rows if row.error is not None
    ]
    values = [
        {name: list(value) if isinstance(value, tuple) else value for name, value in vars(row).items()}
        | {"batch": batch, "catalogue": catalogue, "evidence": Jsonb(row.evidence)}
        for row in rows
    ]

    def write(connection: Connection) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(statement("write_description"), values)
            cursor.execute(statement("clear_failures"), {**scope, "uids": [row.uid for row in rows]})
            cursor.executemany(statement("write_failure"), failures)

    repeated(write)


def restore_rows(finished: Artifact, batch: str, catalogue: str) -> None:
    """Make the rows of a finished batch in Postgres equal to those of its export files.

    They differ in a new database, after an earlier batch of this name, and after a replacement that ended between the rows and
    the commit of a part. Only the rows that differ are written.
    """
    uids: list[str] = []
    restored = 0
    with folders.temporary_folder() as work:
        for name in finished.names():
            if name.endswith(exports.PARQUET_SUFFIX):
                rows = exports.read_columns(finished.fetch(name, work))
                differing = _differing_uids(rows, batch)
                if differing:
                    write_rows([exports.from_columns(row) for row in rows if row["uid"] in differing], batch, catalogue)
                uids += [row["uid"] for row in rows]
                restored += len(differing)
    if restored:
        log.info("rows restored from the export files", batch=batch, rows=restored)
    if _count(batch) != len(uids):
        _keep_only(uids, batch)


def _differing_uids(rows: Sequence[Mapping[str, Any]], batch: str) -> set[str]:
    """Return the uids of the rows that Postgres lacks, or has with another value in any column."""

    def compare(connection: Connection) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(rows), COMPARED_ROWS):
            values = {"batch": batch, "rows": Jsonb(rows[start : start + COMPARED_ROWS], dumps=orjson.dumps)}
            found.update(uid for (uid,) in connection.execute(statement("differing_descriptions"), values))
        return found

    return repeated(compare, read_only=True)


def _count(batch: str) -> int:
    query = "SELECT count(*) FROM skuscribe.description WHERE batch = %s"
    return int(repeated(lambda connection: connection.value(query, [batch]), read_only=True))


def _keep_only(uids: Sequence[str], batch: str) -> None:
    """Remove the rows of a batch from Postgres that have another uid."""
    values = {"batch": batch, "kept": uids, "job": JOB, "scope": batch}

    def remove(connection: Connection) -> int:
        with connection.transaction():
            connection.execute(statement("remove_failures"), values)
            return connection.execute(statement("remove_descriptions"), values).rowcount

    removed = repeated(remove)
    if removed:
        log.info("rows of an earlier batch removed", batch=batch, rows=removed)
