"""Rows of Parquet files as chunks of JSON Lines."""

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.storage.chunk_builder import ChunkBuilder
from jobs.storage.chunks import Chunk
from jobs.storage.compression import damaged
from jobs.storage.fields import Fields

PARQUET_MAGIC = b"PAR1"
_BATCH_ROWS = 1000


def parquet_file(file: IO[bytes] | pa.NativeFile, address: str) -> pq.ParquetFile:
    """Open a Parquet file. Errors: `InputError` (65) naming `address` if it is not one, or damaged."""
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise damaged(address, "Parquet", error) from error


def parquet_chunks(file: pq.ParquetFile, fields: Fields, address: str) -> Iterator[Chunk]:
    """Yield the rows of a Parquet file, which is read by row group. Errors: `InputError` (65) if it is damaged."""
    columns = [name for name in vars(fields).values() if name in file.schema_arrow.names]
    builder, number = ChunkBuilder(), 0
    batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=columns, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            rows = [] if batch is None else _python_rows(batch)
        except (pa.ArrowException, OSError) as error:
            raise damaged(address, "Parquet", error) from error
        if batch is None:
            break
        for row in rows:
            number += 1
            builder.add(number, row, [])
            if builder.is_full:
                yield builder.take()
    if not builder.is_empty:
        yield builder.take()


def _python_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a batch. Text that is not UTF-8, which Arrow does not check, has lone surrogates."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        decoded = (
            column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
        )
        columns = [column.cast(_as_binary(column.type)) for column in decoded]
        rows = pa.record_batch(columns, names=batch.schema.names).to_pylist()
    return [{name: _decoded(value) for name, value in row.items()} for row in rows]


def _as_binary(kind: pa.DataType) -> pa.DataType:
    """Return the type with bytes in place of text, also in lists."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return (pa.large_list if pa.types.is_large_list(kind) else pa.list_)(_as_binary(kind.value_type))
    return {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(kind, kind)


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
