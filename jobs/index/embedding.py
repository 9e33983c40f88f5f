"""Embedding: the vectors of a catalogue file's new texts, computed and stored in skuscribe.embedded.

Vectors are stored chunk by chunk, so that a killed job resumes after the last stored chunk.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import compress

import numpy as np
from pgvector import HalfVector

from jobs.database.connection import Connection, statement
from jobs.database.repeat import repeated
from jobs.index import product_table
from jobs.index.product_table import ProductRow
from jobs.process import log
from jobs.retrieval.encoder import Encoder, text_to_embed
from jobs.storage.catalogue import Catalogue

EMBED_ROWS = 4096


def embed_file(catalogue: str, products: Catalogue, file: str, encoder: Encoder) -> None:
    """Embed the texts of one catalogue file that have no vector yet."""
    started = time.monotonic()
    rows, _ = product_table.read_rows(products, file, encoder.digest)
    uids = _uids_by_hash(rows)
    missing = repeated(lambda connection: _without_vector(connection, catalogue, rows))
    missing.sort(key=lambda row: len(row.title) + len(row.content))  # the encoder batches texts of one length
    with log.progress(f"embed {file}", len(missing), "texts") as progress:
        for start in range(0, len(missing), EMBED_ROWS):
            chunk = missing[start : start + EMBED_ROWS]
            vectors = encoder.encode([text_to_embed(row.title, row.content) for row in chunk])
            repeated(partial(_store, catalogue=catalogue, rows=chunk, uids=uids, vectors=vectors))
            progress.advance(len(chunk))
    log.info(
        "embedded",
        file=file,
        rows=len(rows),
        embedded=len(missing),
        unchanged=len(rows) - len(missing),
        seconds=round(time.monotonic() - started, 2),
    )


def _uids_by_hash(rows: Sequence[ProductRow]) -> dict[bytes, list[str]]:
    """Return the uids of the products with each text."""
    uids = defaultdict[bytes, list[str]](list)
    for row in rows:
        uids[row.content_hash].append(row.uid)
    return uids


def _without_vector(connection: Connection, catalogue: str, rows: Sequence[ProductRow]) -> list[ProductRow]:
    """Forget the failures of the rows. Returns those whose text has no vector in any table, one row for each text."""
    by_hash = {row.content_hash: row for row in rows}
    failures = {"job": product_table.JOB, "scope": catalogue, "uids": [row.uid for row in rows]}
    _, missing = connection.execute_all(
        (statement("clear_failures"), failures), (statement("missing_vectors"), {"hashes": list(by_hash)})
    )
    return [by_hash[content_hash] for (content_hash,) in missing]


def _store(
    connection: Connection,
    catalogue: str,
    rows: Sequence[ProductRow],
    uids: Mapping[bytes, Sequence[str]],
    vectors: np.ndarray,
) -> None:
    """Store the vectors of the rows. One that is not finite becomes a row in skuscribe.failure for each product with its text.

    `uids`: of the products with each text, by its hash.
    """
    finite = np.isfinite(vectors).all(axis=1)
    halves = vectors.astype(np.float16)
    with connection.transaction():
        connection.execute(
            "CREATE TEMPORARY TABLE computed (content_hash bytea NOT NULL, embedding halfvec NOT NULL) ON COMMIT DROP"
        )
        product_table.copy(
            connection,
            "COPY computed (content_hash, embedding) FROM STDIN (FORMAT binary)",
            ["bytea", "halfvec"],
            ((row.content_hash, HalfVector(half)) for row, half in compress(zip(rows, halves, strict=True), finite)),
        )
        connection.execute(statement("keep_computed"))
        for row in compress(rows, ~finite):
            for uid in uids[row.content_hash]:
                product_table.record_failure(
                    connection, catalogue, uid, row.content_hash, "the encoder returned NaN or infinity"
                )
