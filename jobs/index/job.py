"""Index a catalogue in Postgres: a vector for each product, an HNSW index over them, and its measured recall.

Reads catalogue/NAME; writes the schema `skuscribe` (sql/). New and changed texts alone are embedded; the finished table
takes the old one's place at once, so a reader never sees half of it.
Phase `embed`, as an Indexed Job, embeds one file of the catalogue per index; phase `build`, after it, makes the index.
Try: skuscribe index --catalogue main
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from jobs.database import connection as database
from jobs.database import migrations
from jobs.index import hnsw, product_table
from jobs.index.settings import Settings
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError
from jobs.retrieval import encoder as embedding
from jobs.retrieval.encoder import Encoder
from jobs.storage import catalogue
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store

if TYPE_CHECKING:
    import numpy as np

    from jobs.database.connection import Connection

EMBED_ROWS = 4096


def run(settings: Settings) -> None:
    """Embed, build, or both, unless the index stands already."""
    found = catalogue.require(Store(settings.store), settings.catalogue)
    encoder = Encoder(settings.encoder)
    with database.session() as connection:
        migrations.migrate(connection)
        if _stands(connection, settings, found, encoder):
            return
        if settings.phase != "build":
            files = found.files()
            if settings.index is not None and settings.index >= len(files):
                raise ConfigurationError(
                    f"--index {settings.index}: {settings.catalogue} has {len(files)} files, 0 to {len(files) - 1}"
                )
            for name in files if settings.index is None else [files[settings.index]]:
                _embed(connection, settings.catalogue, found, name, encoder)
        if settings.phase != "embed" and settings.index is None:
            _build(connection, settings, found, encoder)


def _stands(connection: "Connection", settings: Settings, found: Catalogue, encoder: Encoder) -> bool:
    """Whether the index stands. What recall is wanted may have changed: then it is searched with another ef_search."""
    row = connection.execute(database.statement("standing_index"), {"catalogue": settings.catalogue}).fetchone()
    wanted = (found.digest, encoder.digest, settings.m, settings.ef_construction)
    if row is None or tuple(row[4:]) != wanted:
        return False
    generation, rows, ef_search, recall = row[:4]
    wanted_ef_search = hnsw.choose_ef_search(recall, settings.recall_at_least)
    if wanted_ef_search != ef_search:
        chosen = {"catalogue": settings.catalogue, "ef_search": wanted_ef_search}
        connection.execute(database.statement("choose_ef_search"), chosen)
    log.info(
        "already done",
        catalogue=settings.catalogue,
        generation=generation,
        rows=rows,
        ef_search=wanted_ef_search,
        recall_at_10=recall[str(wanted_ef_search)],
    )
    return True


def _embed(connection: "Connection", name: str, found: Catalogue, file: str, encoder: Encoder) -> None:
    """Put the vectors of one file's new texts beside those that are on their way. Killed anywhere, a rerun goes on."""
    started = time.monotonic()
    with folders.temporary_folder() as folder:
        rows, _ = product_table.rows_of(found, file, found.read_file(file, folder), encoder)
    connection.execute(
        database.statement("clear_failures"),
        {"job": product_table.JOB, "scope": name, "uids": [row.uid for row in rows]},
    )
    texts = {row.content_hash: row for row in rows}
    missing = [texts[found_hash] for found_hash in _missing(connection, list(texts))]
    missing.sort(key=lambda row: len(row.title) + len(row.content))  # a batch of one length wastes nothing
    with log.progress(f"embed {file}", len(missing), "texts") as bar:
        for start in range(0, len(missing), EMBED_ROWS):
            chunk = missing[start : start + EMBED_ROWS]
            vectors = encoder.encode([embedding.text_to_embed(row.title, row.content) for row in chunk])
            _keep(connection, name, chunk, vectors)
            bar.advance(len(chunk))
    seconds = time.monotonic() - started
    log.info(
        "embedded",
        file=file,
        rows=len(rows),
        embedded=len(missing),
        unchanged=len(rows) - len(missing),
        seconds=round(seconds, 2),
    )


def _missing(connection: "Connection", hashes: Sequence[bytes]) -> list[bytes]:
    connection.execute(database.statement("create_wanted"))
    product_table.copy(connection, "copy_wanted", ["bytea"], ((item,) for item in hashes))
    return [row[0] for row in connection.execute(database.statement("missing_vectors"))]


def _keep(connection: "Connection", name: str, rows: Sequence[product_table.Row], vectors: "np.ndarray") -> None:
    """Store vectors; one that is not a number becomes a failure."""
    import numpy as np
    from pgvector import HalfVector

    sound = np.isfinite(vectors).all(axis=1)
    halves = vectors.astype(np.float16)
    with connection.transaction():
        connection.execute(database.statement("create_computed"))
        good = (
            (row.content_hash, HalfVector(half)) for row, half, fine in zip(rows, halves, sound, strict=True) if fine
        )
        product_table.copy(connection, "copy_computed", ["bytea", "halfvec"], good)
        connection.execute(database.statement("keep_computed"))
        for row in (row for row, fine in zip(rows, sound, strict=True) if not fine):
            product_table.fail(connection, name, row.uid, "the encoder gave a vector that is not finite")


def _build(connection: "Connection", settings: Settings, found: Catalogue, encoder: Encoder) -> None:
    """Fill a new table, index it, measure it, and put it in the place of the old one."""
    name = {"catalogue": settings.catalogue}
    connection.execute(database.statement("lock_index"), name)  # until the session ends
    if _stands(connection, settings, found, encoder):
        return  # another builder was at work while this one waited
    started = time.monotonic()
    number, last = connection.execute(database.statement("register_catalogue"), name).fetchone() or (0, 0)
    table = f"product_{number}_{last + 1}"
    product_table.drop_abandoned(connection, number)
    product_table.load(connection, settings.catalogue, found, encoder, table)
    recipe = hnsw.Recipe(encoder.dimensions, settings.m, settings.ef_construction)
    index_seconds = hnsw.create(connection, table, recipe, settings.build_memory_mb, settings.build_workers)
    recall = hnsw.measure_recall(connection, table, encoder.dimensions, settings.recall_queries, settings.seed)
    build = product_table.Build(
        **asdict(recipe), catalogue=settings.catalogue, catalogue_id=number, generation=last + 1, table=table, catalogue_digest=found.digest,
        encoder=encoder.name, encoder_digest=encoder.digest, index_seconds=index_seconds, recall_at_10=recall,
        recall_queries=settings.recall_queries, ef_search=hnsw.choose_ef_search(recall, settings.recall_at_least),
    )  # fmt: skip
    figures = product_table.publish(connection, build, started)
    at_chosen = recall[str(build.ef_search)]
    log.info(
        "indexed",
        catalogue=build.catalogue,
        generation=build.generation,
        ef_search=build.ef_search,
        recall_at_10=at_chosen,
        **figures,
    )
