"""Raw rows of any format: JSON Lines, one JSON array of objects, CSV or Parquet, recognised by content, not by name."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import orjson
import pyarrow.parquet as pq

from jobs.process.errors import InputError
from jobs.storage.chunks import CHUNK_BYTES, Chunk, Reader, array_chunks, array_start, line_chunks, rows_of
from jobs.storage.compression import peek, spooled
from jobs.storage.encoding import UTF_8_MARK, as_utf_8
from jobs.storage.fields import Fields, find_fields, names_in
from jobs.storage.sources import Stream
from jobs.storage.tables import (
    PARQUET_MAGIC,
    csv_chunks,
    csv_header,
    parquet_chunks,
    parquet_file,
    with_escape,
)

_SAMPLED_ROWS = 100


@dataclass(frozen=True)
class RawRows:
    """The rows of an input. A line of a chunk is a JSON object with the `fields`, whatever the format.

    `names` are the fields of the first rows, `head` the first bytes of the input, both for messages.
    """

    format: str
    fields: Fields
    names: list[str]
    head: bytes
    chunks: Iterator[Chunk]


@contextmanager
def read_rows(
    stream: Stream, address: str, chosen: Fields, max_row_bytes: int, required: tuple[str, ...], *, is_csv: bool = False
) -> Iterator[RawRows]:
    """Yield the rows of an uncompressed stream. A Parquet file is copied to a temporary file first.

    `chosen` has the names of fields that the user gave. `required` are the parts of a row (title, content) without which a
    table is of no use. With `is_csv`, the input must be CSV. Errors: `InputError` (65) naming `address`.
    """
    head, stream = peek(as_utf_8(stream), CHUNK_BYTES)
    if head.startswith(PARQUET_MAGIC):
        with spooled(stream) as file:
            yield _parquet_rows(parquet_file(file, address), head, address, chosen, required)
    else:
        yield _text_rows(Reader(stream), head, address, chosen, max_row_bytes, required, is_csv=is_csv)


def _text_rows(
    reader: Reader,
    head: bytes,
    address: str,
    chosen: Fields,
    max_row_bytes: int,
    required: tuple[str, ...],
    *,
    is_csv: bool,
) -> RawRows:
    header = csv_header(head)
    fields = find_fields(chosen, header.names)
    missing = [part for part in required if getattr(fields, part) not in header.names]
    if is_csv and missing:
        raise _without_columns("CSV", address, header.names, missing)
    if is_csv or (not missing and not _is_json(head)):
        chunks = csv_chunks(reader, with_escape(header, head), fields, max_row_bytes)
        return RawRows("CSV", fields, list(header.names), head, chunks)
    start = array_start(head)
    if start is None:
        return _json_rows("JSON Lines", line_chunks(reader, max_row_bytes), chosen, head)
    reader.fill(CHUNK_BYTES)
    reader.buffer = reader.buffer[start:]
    return _json_rows("JSON array", array_chunks(reader, max_row_bytes, address), chosen, head)


def _parquet_rows(
    file: pq.ParquetFile, head: bytes, address: str, chosen: Fields, required: tuple[str, ...]
) -> RawRows:
    names = file.schema_arrow.names
    fields = find_fields(chosen, names)
    if missing := [part for part in required if getattr(fields, part) not in names]:
        raise _without_columns("Parquet", address, names, missing)
    return RawRows("Parquet", fields, names, head, parquet_chunks(file, fields, address))


def _json_rows(name: str, chunks: Iterator[Chunk], chosen: Fields, head: bytes) -> RawRows:
    """Return the rows, with the fields that the first ones have."""
    first = list(islice(chunks, 1))
    names = names_in(_sample(first[0])) if first else []
    return RawRows(name, find_fields(chosen, names), names, head, chain(first, chunks))


def _sample(chunk: Chunk) -> Iterator[Any]:
    for _, line, _ in islice(rows_of(chunk), _SAMPLED_ROWS):
        with suppress(orjson.JSONDecodeError):
            yield orjson.loads(line)


def _is_json(head: bytes) -> bool:
    return head.removeprefix(UTF_8_MARK).lstrip().startswith((b"{", b"["))


def _without_columns(name: str, address: str, columns: Any, missing: list[str]) -> InputError:
    shown = ", ".join(repr(column[:40]) for column in list(columns)[:20]) or "none"
    settings = " and ".join(f"--{part}-field" for part in missing)
    return InputError(
        f"{address} is {name} with the columns {shown}, expected one named {' and one named '.join(missing)}: name the "
        f"column with {settings}"
    )
