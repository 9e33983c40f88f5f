"""Index a catalogue in Postgres: embed its texts, fill a new product table, build and measure an HNSW index, publish it.

Reads catalogue/NAME. Writes skuscribe.embedded, skuscribe.product, skuscribe.catalogue, skuscribe.index_build and
skuscribe.failure (sql/0001_schema.sql).
"""

import time

from jobs.database.connection import Connection, exclusive, session, statement
from jobs.database.migrations import migrate
from jobs.index import hnsw, product_table
from jobs.index.embedding import embed_file
from jobs.index.publish import Build, publish
from jobs.index.settings import Settings
from jobs.process import log
from jobs.retrieval.encoder import Encoder
from jobs.storage import catalogue
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store


def run(settings: Settings) -> None:
    """Embed, build, or both, unless the index is built already.

    Errors: `NotReadyError` (75) if the catalogue is not prepared, or `build` finds texts that are not embedded yet.
    """
    products = catalogue.require(Store(settings.store), settings.catalogue)
    files = _files_to_embed(settings, products)
    if not files:
        log.info("nothing to do: no file with this index", index=settings.index, files=len(products.files()))
        return
    encoder = Encoder(settings.encoder)
    with session() as connection:
        migrate(connection)
        if _is_built(connection, settings, products, encoder):
            return
        if settings.phase != "build":
            for file in files:
                embed_file(connection, settings.catalogue, products, file, encoder)
        if settings.phase != "embed" and settings.index is None:
            with exclusive(f"skuscribe.index.{settings.catalogue}") as holder:  # another builder waits here
                _build(connection, holder, settings, products, encoder)


def _is_built(connection: Connection, settings: Settings, products: Catalogue, encoder: Encoder) -> bool:
    """Return whether the index is built. If --recall-at-least has changed, its ef_search is chosen again."""
    row = connection.execute(statement("current_index"), {"catalogue": settings.catalogue}).fetchone()
    if row is None:
        return False
    generation, rows, ef_search, recall, *config = row
    if config != [products.digest, encoder.digest, settings.m, settings.ef_construction]:
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
    connection: Connection, holder: Connection, settings: Settings, products: Catalogue, encoder: Encoder
) -> None:
    """Fill a new product table, index it, measure the index, and let it replace the table in use.

    `holder` is the connection that keeps other builders out.
    """
    if _is_built(connection, settings, products, encoder):
        return  # by the builder that held the lock
    started = time.monotonic()
    table = product_table.next_table(connection, settings.catalogue)
    product_table.drop_abandoned(connection, table.catalogue_id)
    product_table.fill(connection, table, products, encoder.digest)
    parameters = hnsw.Parameters(encoder.dimensions, settings.m, settings.ef_construction)
    index_seconds = hnsw.create(connection, table.name, parameters)
    recall = hnsw.measure_recall(connection, table.name, encoder.dimensions, settings.seed)
    build = Build(
        catalogue_digest=products.digest,
        encoder=encoder.name,
        encoder_digest=encoder.digest,
        dimensions=encoder.dimensions,
        m=settings.m,
        ef_construction=settings.ef_construction,
        index_seconds=index_seconds,
        recall_at_10=recall,
        recall_queries=hnsw.RECALL_QUERIES,
        ef_search=hnsw.choose_ef_search(recall, settings.recall_at_least),
    )
    holder.execute("SELECT 1")  # raises an error if the lock was lost
    figures = publish(connection, table, build, started)
    log.info(
        "indexed",
        catalogue=table.catalogue,
        generation=table.generation,
        ef_search=build.ef_search,
        recall_at_10=recall[str(build.ef_search)],
        **figures,
    )
