"""Index a catalogue in Postgres: a vector for each product, an HNSW index over them, and its measured recall.

Reads catalogue/NAME; writes the schema `skuscribe` (sql/). New and changed texts alone are embedded; the finished table
takes the old one's place at once, so a reader never sees half of it.
Phase `embed`, as an Indexed Job, embeds one file of the catalogue per index; phase `build`, after it, makes the index.
Try: skuscribe index --catalogue main
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from jobs import artifact, catalogue, database, embedding, hnsw, log
from jobs.catalogue import Catalogue
from jobs.embedding import DEFAULT_ENCODER, Encoder
from jobs.errors import ConfigurationError, NotReadyError
from jobs.settings import IndexedSettings, Name, unit
from jobs.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from jobs.database import Connection

JOB = "index"
EMBED_ROWS = 4096
SWAP_ATTEMPTS = 10
LOCK_TIMEOUT = "3s"


class Settings(IndexedSettings):
    """What decides an index."""

    catalogue: Name = Field("main", description="The catalogue to index.")
    encoder: str = Field(DEFAULT_ENCODER, description="The sentence encoder: its name, a folder, or a hub id.")
    phase: Literal["all", "embed", "build"] = Field(
        "all", description="Embed, build the index, or both; with --index, embed that file of the catalogue."
    )
    m: int = Field(16, ge=4, le=96, description="HNSW: links of a vector per layer.")
    ef_construction: int = Field(64, ge=8, le=1000, description="HNSW: candidates while building; at least twice --m.")
    recall_at_least: float = Field(
        0.99, gt=0, le=1, description="The smallest ef_search that finds this share of the 10 nearest is used."
    )
    recall_queries: int = Field(
        200, ge=10, le=10_000, json_schema_extra=unit("queries"), description="Recall is measured on so many."
    )
    build_memory_mb: int = Field(
        2048, ge=64, json_schema_extra=unit("MiB"), description="At most so much memory of the server for the build."
    )
    build_workers: int = Field(2, ge=0, le=64, description="Parallel workers of the server for the build; 0 for none.")
    seed: int = Field(13, description="Chooses the products on which recall is measured.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.ef_construction < 2 * self.m:
            raise ValueError(
                f"--ef-construction is {self.ef_construction}, at least twice --m ({2 * self.m}) is needed"
            )
        if self.index is not None and self.phase == "build":
            raise ValueError("--index embeds one file; --phase build needs all of them: leave one of the two out")
        return self


def run(settings: Settings) -> None:
    """Embed, build, or both, unless the index stands already."""
    found = catalogue.require(Store(settings.store), settings.catalogue)
    encoder = Encoder(settings.encoder)
    with database.session() as connection:
        database.migrate(connection)
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
    row = connection.execute(database.statement("standing_index"), {"catalogue": settings.catalogue}).fetchone()
    wanted = (found.digest, encoder.digest, settings.m, settings.ef_construction)
    if row is None or tuple(row[4:]) != wanted:
        return False
    generation, rows, ef_search, recall = row[:4]
    log.fact(
        "already done",
        catalogue=settings.catalogue,
        generation=generation,
        rows=rows,
        ef_search=ef_search,
        recall_at_10=float(recall),
    )
    return True


@dataclass(frozen=True)
class _Row:
    """A product on its way into the database. `content_hash` stands for the encoder and the text that it embeds."""

    uid: str
    title: str
    content: str
    cluster: int
    split: str
    shard: int | None
    row: int
    content_hash: bytes


def _embed(connection: "Connection", name: str, found: Catalogue, file: str, encoder: Encoder) -> None:
    """Put the vectors of one file's new texts beside those that are on their way. Killed anywhere, a rerun goes on."""
    started = time.monotonic()
    with artifact.work_folder() as folder:
        rows, _ = _rows(found, file, found.read_file(file, folder), encoder)
    connection.execute(
        database.statement("clear_failures"), {"job": JOB, "scope": name, "uids": [row.uid for row in rows]}
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
    log.fact(
        "embedded",
        file=file,
        rows=len(rows),
        embedded=len(missing),
        unchanged=len(rows) - len(missing),
        seconds=round(seconds, 2),
    )


def _missing(connection: "Connection", hashes: Sequence[bytes]) -> list[bytes]:
    connection.execute(database.statement("create_wanted"))
    _copy(connection, "copy_wanted", ["bytea"], ((item,) for item in hashes))
    return [row[0] for row in connection.execute(database.statement("missing_vectors"))]


def _keep(connection: "Connection", name: str, rows: Sequence[_Row], vectors: "np.ndarray") -> None:
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
        _copy(connection, "copy_computed", ["bytea", "halfvec"], good)
        connection.execute(database.statement("keep_computed"))
        for row in (row for row, fine in zip(rows, sound, strict=True) if not fine):
            _fail(connection, name, row.uid, "the encoder gave a vector that is not finite")


def _rows(found: Catalogue, file: str, products: "pa.Table", encoder: Encoder) -> tuple[list[_Row], list[str]]:
    """The rows of one file, and the uids of those that Postgres cannot hold, for they have a NUL character."""
    shard = found.files().index(file) if file != f"{catalogue.HELD_OUT}.parquet" else None
    salt = encoder.digest.encode()
    rows, unfit = [], []
    for item in products.to_pylist():
        text = embedding.text_to_embed(item["title"], item["content"])
        if "\0" in text or "\0" in item["uid"]:
            unfit.append(item["uid"].replace("\0", ""))
            continue
        digest = hashlib.sha256(salt + text.encode()).digest()
        rows.append(
            _Row(
                item["uid"], item["title"], item["content"], item["cluster"], item["split"], shard, item["row"], digest
            )
        )
    return rows, unfit


def _build(connection: "Connection", settings: Settings, found: Catalogue, encoder: Encoder) -> None:
    """Fill a new table, index it, measure it, and put it in the place of the old one."""
    name = {"catalogue": settings.catalogue}
    connection.execute(database.statement("lock_index"), name)  # until the session ends
    if _stands(connection, settings, found, encoder):
        return  # another builder was at work while this one waited
    started = time.monotonic()
    number, last = connection.execute(database.statement("register_catalogue"), name).fetchone() or (0, 0)
    table = f"product_{number}_{last + 1}"
    _drop_abandoned(connection, number)
    _load(connection, settings.catalogue, found, encoder, table)
    recipe = hnsw.Recipe(encoder.dimensions, settings.m, settings.ef_construction)
    index_seconds = hnsw.create(connection, table, recipe, settings.build_memory_mb, settings.build_workers)
    recall = hnsw.measure_recall(connection, table, encoder.dimensions, settings.recall_queries, settings.seed)
    values = {
        **name, **asdict(recipe), "generation": last + 1, "catalogue_digest": found.digest, "encoder": encoder.name,
        "encoder_digest": encoder.digest, "index_seconds": index_seconds, "recall_at_10": json.dumps(recall),
        "recall_queries": settings.recall_queries, "ef_search": hnsw.choose_ef_search(recall, settings.recall_at_least),
    }  # fmt: skip
    _swap_in(connection, number, table, values, started)


def _drop_abandoned(connection: "Connection", number: int) -> None:
    from psycopg import sql

    for (table,) in connection.execute(database.statement("abandoned_tables"), {"catalogue_id": number}).fetchall():
        connection.execute(database.formatted("drop_table", table=sql.Identifier(table)))


def _load(connection: "Connection", name: str, found: Catalogue, encoder: Encoder, table: str) -> None:
    """Make the table and fill it with every product of the catalogue and its vector.

    Errors: `NotReadyError` (75) naming the files that are not embedded yet.
    """
    from psycopg import sql

    with connection.transaction(), artifact.work_folder() as folder:
        connection.execute(database.statement("create_loaded"))
        unfit: list[str] = []
        for file in found.files():
            rows, unfit_here = _rows(found, file, found.read_file(file, folder), encoder)
            types = ["text", "text", "text", "int8", "text", "int4", "int8", "bytea"]
            _copy(connection, "copy_loaded", types, (tuple(vars(row).values()) for row in rows))
            unfit += unfit_here
        connection.execute(database.statement("forget_failures"), {"job": JOB, "scope": name})
        for uid in unfit:
            _fail(connection, name, uid, "its text holds a NUL character, which Postgres cannot store")
        connection.execute(database.statement("analyse_loaded"))
        missing = connection.execute(database.statement("missing_files"), {"catalogue": name}).fetchall()
        if missing:
            held_out = f"{catalogue.HELD_OUT}.parquet"
            listed = ", ".join(
                f"{held_out if shard is None else catalogue.shard_file(shard)} ({count} texts)"
                for shard, count in missing
            )
            raise NotReadyError(
                f"not every file of {name} is embedded yet: {listed}. `skuscribe index --phase embed --catalogue {name}` embeds them"
            )
        parts = {"table": sql.Identifier(table), "catalogue": sql.Literal(name)}
        connection.execute(database.formatted("create_product_table", **parts))
        connection.execute(database.formatted("fill_product_table", **parts), {"catalogue": name})
    connection.execute(database.formatted("analyse_table", table=sql.Identifier(table)))


def _swap_in(connection: "Connection", number: int, table: str, values: dict[str, Any], started: float) -> None:
    """Publish. It takes a lock that no reader may hold; it gives up quickly and tries again, so that readers do not queue."""
    import psycopg

    for attempt in range(1, SWAP_ATTEMPTS + 1):
        try:
            with connection.transaction():
                _swap_in_once(connection, number, table, values, started)
            return
        except psycopg.errors.LockNotAvailable:
            if attempt == SWAP_ATTEMPTS:
                raise
            log.warning("a long query holds the old index: trying again", attempt=attempt)
            time.sleep(min(attempt, 5))


def _swap_in_once(connection: "Connection", number: int, table: str, values: dict[str, Any], started: float) -> None:
    from psycopg import sql

    new = {"table": sql.Identifier(table)}
    connection.execute(database.statement("set_local"), {"name": "lock_timeout", "value": LOCK_TIMEOUT})
    vectors_new = _one(connection, database.formatted("count_embedded", **new))
    connection.execute(database.formatted("forget_embedded", **new))
    sizes = {"table": f"skuscribe.{table}", "index": f"skuscribe.{table}_hnsw"}
    rows, table_bytes, index_bytes = connection.execute(
        database.formatted("table_figures", **new), sizes
    ).fetchone() or (0, 0, 0)
    removed = 0
    old = [row[0] for row in connection.execute(database.statement("partition_of"), {"catalogue_id": number})]
    for name in old:
        removed += _one(connection, database.formatted("count_removed", old=sql.Identifier(name), new=new["table"]))
        connection.execute(database.formatted("detach_partition", table=sql.Identifier(name)))
    connection.execute(database.formatted("attach_partition", **new, catalogue=sql.Literal(values["catalogue"])))
    for name in old:
        connection.execute(database.formatted("drop_table", table=sql.Identifier(name)))
    figures = {
        "rows": rows, "vectors_new": vectors_new, "rows_removed": removed, "index_bytes": index_bytes,
        "table_bytes": table_bytes, "seconds": time.monotonic() - started,
    }  # fmt: skip
    connection.execute(database.statement("publish_catalogue"), values)
    connection.execute(database.statement("record_build"), values | figures)
    recall = json.loads(values["recall_at_10"])[str(values["ef_search"])]
    log.fact(
        "indexed",
        catalogue=values["catalogue"],
        generation=values["generation"],
        ef_search=values["ef_search"],
        recall_at_10=recall,
        **figures,
    )


def _copy(connection: "Connection", name: str, types: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(database.statement(name)) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _one(connection: "Connection", query: Any) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _fail(connection: "Connection", name: str, uid: str, error: str) -> None:
    connection.execute(database.statement("write_failure"), {"job": JOB, "scope": name, "uid": uid, "error": error})
