"""The rows of a unit in Postgres: how many there are, and their removal.

Vectors in skuscribe.embedded belong to a text and not to a catalogue: they wait for a build, which takes them or removes them after
a week. They stay, because another catalogue may wait for the same ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from jobs.database.connection import Connection, statement
from jobs.database.repeat import repeated
from jobs.database.short_attempts import in_short_attempts
from jobs.delete.unit import Unit
from jobs.describe import batch
from jobs.index import product_table
from jobs.process.errors import NotReadyError
from jobs.storage import layout

WAIT_FOR_READERS_SECONDS = 60
"""How long a query that reads what is deleted is waited for. Nothing is deleted before it has ended."""

PRODUCTS, LABELS = "product", "audit_label"


@dataclass(frozen=True)
class Rows:
    """The rows of a table of the schema skuscribe whose columns have these values."""

    table: str
    where: Mapping[str, str]

    def query(self, verb: str) -> tuple[sql.Composed, dict[str, str]]:
        """Return a statement about the rows, `SELECT count(*)` or `DELETE`, and its parameters."""
        condition = sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in self.where
        )
        table = sql.Identifier("skuscribe", self.table)
        return sql.SQL(verb + " FROM {} WHERE {}").format(table, condition), dict(self.where)


def rows_of(unit: Unit, matcher_catalogue: str | None) -> list[Rows]:
    """Return the rows of a unit by table. Base models and runs have none.

    `matcher_catalogue`: the catalogue whose alternatives are deleted with a matcher; None: they stay.
    """
    name = unit.name
    if unit.folder == layout.CATALOGUES:
        return [
            *(Rows(table, {"catalogue": name}) for table in (PRODUCTS, "index_build", "alternative")),
            Rows("failure", {"job": product_table.JOB, "scope": name}),
            Rows("catalogue", {"catalogue": name}),
        ]
    if unit.folder == layout.EXPORTS:
        failures = Rows("failure", {"job": batch.JOB, "scope": name})
        return [Rows("description", {"batch": name}), failures, Rows(LABELS, {"batch": name})]
    if unit.folder == layout.MATCHERS:
        return [Rows("alternative", {"catalogue": matcher_catalogue})] if matcher_catalogue else []
    return []


def count(rows: Sequence[Rows]) -> dict[str, int]:
    """Return the number of rows by table, of the tables that have some.

    Errors: `NotReadyError` (75) if Postgres cannot be reached, `ConfigurationError` (78) if it refuses the connection.
    """

    def counts(connection: Connection) -> dict[str, int]:
        found = {
            each.table: int(connection.value(*each.query("SELECT count(*)"))) for each in _existing(connection, rows)
        }
        return {table: number for table, number in found.items() if number}

    return repeated(counts, read_only=True) if rows else {}


def _existing(connection: Connection, rows: Sequence[Rows]) -> list[Rows]:
    """Return the rows whose table exists. A database of an earlier version, or before the first `index`, lacks some."""
    query = "SELECT to_regclass('skuscribe.' || name) IS NOT NULL FROM unnest(%s::text[]) WITH ORDINALITY AS t (name, n) ORDER BY n"
    exists = connection.execute(query, [[each.table for each in rows]]).fetchall()
    return [each for each, (found,) in zip(rows, exists, strict=True) if found]


def build_at_work(unit: Unit) -> str | None:
    """Return which session builds the index of a catalogue now, None if there is none."""
    if unit.folder != layout.CATALOGUES:
        return None

    def builds(connection: Connection) -> list[str]:
        if not _existing(connection, [Rows("catalogue", {})]):
            return []
        held = connection.execute(statement("held_builds")).fetchall()
        return [f"process {pid} of {role}, for {age} s" for name, pid, role, age in held if name == unit.name]

    return next(iter(repeated(builds, read_only=True)), None)


def delete(unit: Unit, rows: Sequence[Rows]) -> None:
    """Delete the rows in one transaction.

    Errors: `NotReadyError` (75) if a query still reads the products after `WAIT_FOR_READERS_SECONDS`; `ConfigurationError` (78) if
    the user may not delete. Nothing is deleted then.
    """

    def delete_all(connection: Connection) -> None:
        existing = _existing(connection, rows)
        tables = {each.table for each in existing}
        if "alternative" in tables:
            [catalogue] = {each.where["catalogue"] for each in existing if each.table == "alternative"}
            connection.execute(statement("lock_alternatives"), {"catalogue": catalogue})
        if LABELS in tables:
            connection.execute(statement("lock_labels"))
        if PRODUCTS in tables:
            _drop_products(connection, unit.name)
        for each in existing:
            connection.execute(*each.query("DELETE"))

    if rows:
        repeated(
            lambda connection: in_short_attempts(connection, lambda: delete_all(connection), WAIT_FOR_READERS_SECONDS)
        )


def _drop_products(connection: Connection, catalogue: str) -> None:
    """Drop the product table of a catalogue, and those that killed builds have left. Its row is locked, so that none is published."""
    query = "SELECT catalogue_id FROM skuscribe.catalogue WHERE catalogue = %s FOR UPDATE"
    catalogue_id = connection.value(query, [catalogue])
    if catalogue_id is None:
        return
    for name in _product_tables(connection, catalogue_id):
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("skuscribe", name)))


def _product_tables(connection: Connection, catalogue_id: int) -> Iterator[str]:
    for query in ("partition_of", "abandoned_tables"):
        for (name,) in connection.execute(statement(query), {"catalogue_id": catalogue_id}).fetchall():
            yield str(name)


def require_no_build(unit: Unit) -> None:
    """Raise `NotReadyError` (75) if the index of the catalogue is being built."""
    if found := build_at_work(unit):
        raise NotReadyError(
            f"the index of {unit.path} is being built ({found}): end that job, or wait, and run this again"
        )
