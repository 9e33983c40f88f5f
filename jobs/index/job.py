"""Index a catalogue in Postgres: embed its texts, fill a new product table, build and measure an HNSW index, publish it.

Reads catalogue/NAME. Writes skuscribe.embedded, skuscribe.product, skuscribe.catalogue, skuscribe.index_build and
skuscribe.failure (sql/0001_schema.sql).
"""

import time
from dataclasses import dataclass
from functools import partial

from jobs.database.connection import Connection, statement
from jobs.database.migrations import migrate
from jobs.database.repeat import repeated, repeated_exclusively
from jobs.index import hnsw, product_table
from jobs.index.embedding import embed_file
from jobs.index.product_table import Table
from jobs.index.publish import Build, publish
from jobs.index.settings import Settings
from jobs.process import log
from jobs.retrieval.encoder import Encoder
from jobs.storage import catalogue
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store


def run(settings: Settings) -> None:
    """Embed, build, or both, unless the index is built already.

    Errors: `NotReadyError` (75) if the catalogue is not prepared.
    """
    products = catalogue.require(Store(settings.store), settings.catalogue)
    files = _files_to_embed(settings, products)
    if not files:
        log.info("nothing to do: no file with this index", index=settings.index, files=len(products.files()))
        return
    encoder = Encoder(settings.encoder)
    if repeated(lambda connection: _is_built_in_new_tables(connection, settings, products, encoder)):
        return
    if settings.phase != "build":
        for file in files:
            embed_file(settings.catalogue, products, file, encoder)
    if settings.phase != "embed" and settings.index is None:
        unfinished = Unfinished()
        repeated_exclusively(  # another builder waits here
            product_table.build_lock(settings.catalogue),
            lambda holder: _build(holder, unfinished, settings, products, encoder),
        )


@dataclass
class Unfinished:
    """What this process has built so far. It is used again if the lock is lost and no other process has built meanwhile."""

    started: float | None = None
    table: Table | None = None
    index_builds: int = 0
    index_seconds: float | None = None
    recall: dict[str, float] | None = None


def _is_built_in_new_tables(connection: Connection, settings: Settings, products: Catalogue, encoder: Encoder) -> bool:
    """Bring the tables up to date and return whether the index is built."""
    migrate(connection)
    return _is_built(connection, settings, products, encoder)


def _is_built(connection: Connection, settings: Settings, products: Catalogue, encoder: Encoder) -> bool:
    """Return whether the index is built. If --recall-at-least has changed, its ef_search is chosen again.

    An index whose recall was not measured up to --recall-at-least is built again.
    """
    row = connection.execute(statement("current_index"), {"catalogue": settings.catalogue}).fetchone()
    if row is None:
        return False
    generation, rows, ef_search, recall, *config = row
    if config != [products.digest, encoder.digest, settings.m, settings.ef_construction]:
        return False
    if not hnsw.is_measured(recall, settings.recall_at_least):
        return False
    chosen = hnsw.choose_ef_search(recall, settings.recall_at_least)
    if chosen != ef_search:
        connection.execute(statement("choose_ef_search"), {"catalogue": settings.catalogue, "ef_search": chosen})
    log.info(
        "already done",
        catalogue=settings.catalogue,
        generation=generation,
        rows=rows,
        ef_search=chosen,
        recall_at_10=recall[str(chosen)],
    )
    return True


def _files_to_embed(settings: Settings, products: Catalogue) -> list[str]:
    """Return the files of the catalogue, or only that of an index: none for an index beyond the last file."""
    files = products.files()
    if settings.index is None:
        return files
    return files[settings.index : settings.index + 1]


def _build(
    holder: Connection, unfinished: Unfinished, settings: Settings, products: Catalogue, encoder: Encoder
) -> None:
    """Fill a new product table, index it, measure the index, and let it replace the table in use.

    `holder` is the connection that keeps other builders out. Each step has a connection of its own, and is repeated if that
    is lost.
    """
    if repeated(lambda connection: _is_built_or_registered(connection, settings, products, encoder)):
        return  # by the builder that held the lock
    started = unfinished.started = unfinished.started or time.monotonic()
    table = _filled_table(unfinished, settings, products, encoder)
    parameters = hnsw.Parameters(encoder.dimensions, settings.m, settings.ef_construction)
    if unfinished.index_seconds is None:
        index_started = time.monotonic()
        repeated(partial(_create_index, unfinished=unfinished, table=table, parameters=parameters))
        unfinished.index_seconds = time.monotonic() - index_started
    if unfinished.recall is None:
        unfinished.recall = hnsw.measure_recall(table.name, encoder.dimensions, settings.seed, settings.recall_at_least)
    build = Build(
        catalogue_digest=products.digest,
        encoder=encoder.name,
        encoder_digest=encoder.digest,
        dimensions=encoder.dimensions,
        m=settings.m,
        ef_construction=settings.ef_construction,
        index_seconds=unfinished.index_seconds,
        recall_at_10=unfinished.recall,
        recall_queries=hnsw.RECALL_QUERIES,
        ef_search=hnsw.choose_ef_search(unfinished.recall, settings.recall_at_least),
    )
    holder.execute("SELECT 1")  # raises an error if the lock was lost
    figures = repeated(lambda connection: publish(connection, table, build, started))
    log.info(
        "indexed",
        catalogue=table.catalogue,
        generation=table.generation,
        ef_search=build.ef_search,
        recall_at_10=build.recall_at_10[str(build.ef_search)],
        **figures,
    )


def _is_built_or_registered(connection: Connection, settings: Settings, products: Catalogue, encoder: Encoder) -> bool:
    """Return whether the index is built. If not, the catalogue is registered."""
    if _is_built(connection, settings, products, encoder):
        return True
    product_table.register(connection, settings.catalogue)
    return False


def _create_index(connection: Connection, unfinished: Unfinished, table: Table, parameters: hnsw.Parameters) -> None:
    unfinished.index_builds += 1
    hnsw.create(connection, table.name, parameters, unfinished.index_builds - 1)


def _filled_table(unfinished: Unfinished, settings: Settings, products: Catalogue, encoder: Encoder) -> Table:
    """Return the table that this process has filled, or fill one.

    Vectors that are missing are computed first: phase `embed` was left out, or found them in the table of another catalogue that
    has lost them since.
    """

    def fill(connection: Connection) -> Table:
        return product_table.fill(connection, settings.catalogue, products, encoder.digest)

    table = unfinished.table
    if table is None or not repeated(partial(product_table.exists, table=table)):
        unfinished.index_seconds = unfinished.recall = None
        try:
            table = repeated(fill)
        except product_table.MissingVectors as missing:
            log.warning("vectors are missing: computing them", files=len(missing.files))
            for file in missing.files:
                embed_file(settings.catalogue, products, file, encoder)
            table = repeated(fill)
        unfinished.table = table
    return table
