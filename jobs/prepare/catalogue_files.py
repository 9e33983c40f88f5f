"""The files of a catalogue, written one at a time from the cleaned rows and their assignment."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.prepare.assignment import Assignment
from jobs.prepare.chunk_cleaning import reject_batch
from jobs.prepare.cleaned_rows import CleanedRows
from jobs.prepare.rows import DUPLICATE_UID, Reject, excerpt
from jobs.prepare.splits import HELD_OUT_SHARD
from jobs.storage import catalogue, layout
from jobs.storage.columns import number_column, text_column

_FILES_PER_PASS = 200


def write_products(cleaned: CleanedRows, assignment: Assignment, seed: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and path of the held-out set and of each shard. A file is removed before the next one is yielded."""
    last = assignment.splits.shards
    for first in range(HELD_OUT_SHARD, last, _FILES_PER_PASS):
        shards = range(first, min(first + _FILES_PER_PASS, last))
        _partition(cleaned, assignment, shards, folder)
        for shard in shards:
            name = layout.HELD_OUT_FILE if shard == HELD_OUT_SHARD else layout.shard_file(shard)
            _write_in_seeded_order(_part(folder, shard), folder / name, [seed, shard + 1])
            yield name, folder / name
            (folder / name).unlink()


def write_rejects(cleaned: CleanedRows, assignment: Assignment, path: Path) -> None:
    """Write all rejected rows to a Parquet file, in the order of the input."""
    offset = 0
    with pq.ParquetWriter(path, catalogue.REJECT_SCHEMA, compression="zstd") as writer:
        for products, rejects in cleaned.batches():
            repeated = np.flatnonzero(~assignment.kept[offset : offset + products.num_rows])
            offset += products.num_rows
            duplicates = reject_batch(
                [
                    Reject(row["row"], row["uid"], DUPLICATE_UID, excerpt(row["title"]))
                    for row in products.take(number_column(repeated)).to_pylist()
                ]
            )
            table = pa.Table.from_batches([rejects, duplicates])
            if table.num_rows:
                writer.write_table(table.sort_by("row"))


def _partition(cleaned: CleanedRows, assignment: Assignment, shards: range, folder: Path) -> None:
    """Append each row of these shards to the temporary file of its shard, in one pass over all rows."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with ExitStack() as stack:
        writers = {}
        for shard in shards:
            file = stack.enter_context(pa.OSFile(str(_part(folder, shard)), "wb"))
            writers[shard] = stack.enter_context(pa.ipc.new_stream(file, catalogue.PRODUCT_SCHEMA, options=options))
        offset = 0
        for products, _ in cleaned.batches():
            batch = slice(offset, offset + products.num_rows)
            offset = batch.stop
            shard_of = assignment.splits.shard[batch]
            chosen = np.flatnonzero(assignment.kept[batch] & (shard_of >= shards.start) & (shard_of < shards.stop))
            chosen = chosen[np.argsort(shard_of[chosen], kind="stable")]
            rows = _with_assignment(products, assignment, batch).take(number_column(chosen))
            edges = np.searchsorted(shard_of[chosen], np.arange(shards.start, shards.stop + 1))
            for shard, start, end in zip(shards, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                if end > start:
                    writers[shard].write_batch(rows.slice(start, end - start))


def _with_assignment(products: pa.RecordBatch, assignment: Assignment, batch: slice) -> pa.RecordBatch:
    """Return the products of a batch with their cluster and split, schema `catalogue.PRODUCT_SCHEMA`."""
    held_out = assignment.splits.shard[batch] == HELD_OUT_SHARD
    side = np.where(assignment.splits.test[batch], catalogue.TEST, catalogue.TRAIN)
    columns = [
        *(products[name] for name in ("uid", "title", "content")),
        number_column(assignment.cluster[batch]),
        products["row"],
        text_column(np.where(held_out, catalogue.HELD_OUT, side).tolist()),
    ]
    return pa.record_batch(columns, schema=catalogue.PRODUCT_SCHEMA)


def _write_in_seeded_order(part: Path, target: Path, seed: list[int]) -> None:
    """Write the rows of a temporary file to a Parquet file in random order, and remove the temporary file."""
    with pa.OSFile(str(part)) as file:
        table = pa.ipc.open_stream(file).read_all()
    order = np.random.default_rng(seed).permutation(table.num_rows)
    pq.write_table(table.take(number_column(order)), target, compression="zstd")
    part.unlink()


def _part(folder: Path, shard: int) -> Path:
    return folder / f"part-{shard}"
