"""Raw rows of any format: JSON Lines, one JSON array of objects, CSV or Parquet, recognized by content, not by name."""

import codecs
import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import orjson
import pyarrow.parquet as pq

from jobs.process import log
from jobs.process.errors import InputError
from jobs.storage.appearance import appearance, other_than_plain_text
from jobs.storage.chunks import CHUNK_BYTES, Chunk, Reader, array_chunks, array_start, line_chunks, rows_of
from jobs.storage.compression import peek, spooled
from jobs.storage.csv_rows import csv_chunks, csv_header, with_escape
from jobs.storage.encoding import as_utf_8
from jobs.storage.fields import Fields, find_fields, names_in
from jobs.storage.parquet_rows import PARQUET_MAGIC, parquet_chunks, parquet_file
from jobs.storage.sources import Stream

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

    def appearance(self) -> str | None:
        """Return what the input looks like instead, as `appearance.appearance()` does: for one with unreadable rows only."""
        return appearance(self.head, is_recognised=self.format != "JSON Lines")


@contextmanager
def read_rows(
    stream: Stream, address: str, chosen: Fields, max_row_bytes: int, required: tuple[str, ...], *, is_csv: bool = False
) -> Iterator[RawRows]:
    """Yield the rows of an uncompressed stream. A Parquet file is copied to a temporary file first.

    `chosen` has the names of fields that the user gave. `required` are the parts of a row (title, content) that a table must
    have a column for. With `is_csv`, the input must be CSV or Parquet. Rows without a uid field are a warning, unless it was chosen.
    Errors: `InputError` (65) naming `address`; one for a chosen uid field that no row of JSON has is raised at the end of the
    block, when all rows are known.
    """
    head, stream = peek(as_utf_8(stream), CHUNK_BYTES)
    if head.startswith(PARQUET_MAGIC):
        with spooled(stream) as file:
            yield _parquet_rows(parquet_file(file, address), head, address, chosen, required)
    elif is_csv or _is_csv(head, chosen, required):
        yield _csv_rows(Reader(stream), head, address, chosen, max_row_bytes, required)
    else:
        name, chunks = _json_chunks(Reader(stream), head, address, max_row_bytes)
        searched = _SearchedChunks(chunks, chosen)
        yield RawRows(name, searched.fields, searched.names, head, searched)
        _check_uid(searched, chosen, address)


def _parquet_rows(
    file: pq.ParquetFile, head: bytes, address: str, chosen: Fields, required: tuple[str, ...]
) -> RawRows:
    names = file.schema_arrow.names
    fields = _table_fields("Parquet", address, names, chosen, required)
    chunks = _not_empty(parquet_chunks(file, fields, address), "no rows", names, address)
    return RawRows("Parquet", fields, names, head, chunks)


def _csv_rows(
    reader: Reader, head: bytes, address: str, chosen: Fields, max_row_bytes: int, required: tuple[str, ...]
) -> RawRows:
    header = csv_header(head)
    if _missing(find_fields(chosen, header.names), header.names, required):
        _check_plain_text(head, address)
    fields = _table_fields("CSV", address, header.names, chosen, required)
    chunks = csv_chunks(reader, with_escape(header, head), fields, max_row_bytes)
    return RawRows("CSV", fields, list(header.names), head, _not_empty(chunks, "only a header", header.names, address))


def _check_plain_text(head: bytes, address: str) -> None:
    """Errors: `InputError` (65) if a file that is named as a table is empty, or something else that is recognised."""
    if not head.removeprefix(codecs.BOM_UTF8).strip():
        raise InputError(f"{address} is empty, expected a header and rows: download or create the file again")
    if looks := other_than_plain_text(head):
        raise InputError(f"{address} is not CSV, as its name says. It looks like {looks}")


def _not_empty(chunks: Iterator[Chunk], found: str, names: Collection[str], address: str) -> Iterator[Chunk]:
    """Return the chunks. Errors: `InputError` (65) if there are none."""
    first = list(islice(chunks, 1))
    if not first:
        raise InputError(
            f"{address} has {found}, with the columns {shown_names(names)}, expected at least one row: download or create the file again"
        )
    return chain(first, chunks)


def _table_fields(
    name: str, address: str, columns: Collection[str], chosen: Fields, required: tuple[str, ...]
) -> Fields:
    """Return the fields of a table.

    Errors: `InputError` (65) if it lacks a required column or the chosen one of the uid, or several columns have its name.
    """
    fields = find_fields(chosen, columns)
    for part in ("uid", *required):
        if list(columns).count(column := getattr(fields, part)) > 1:
            raise InputError(
                f"{address} is {name} with several columns named {column!r}, expected one: rename or remove the others, or "
                f"name another column with --{part}-field"
            )
    required = (*required, "uid") if chosen.uid else required
    if missing := _missing(fields, columns, required):
        raise _without_fields(f"{name} with the columns", "column", address, columns, fields, missing)
    if fields.uid not in columns:
        _warn_of_no_uid()
    return fields


def _is_csv(head: bytes, chosen: Fields, required: tuple[str, ...]) -> bool:
    """Return whether an input that may be of any format begins as a CSV file with the required columns."""
    names = csv_header(head).names
    return not _missing(find_fields(chosen, names), names, required) and not _is_json(head)


def _is_json(head: bytes) -> bool:
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"{", b"["))


def _json_chunks(reader: Reader, head: bytes, address: str, max_row_bytes: int) -> tuple[str, Iterator[Chunk]]:
    """Return the name of the format, and the chunks."""
    start = array_start(head)
    if start is None:
        return "JSON Lines", line_chunks(reader, max_row_bytes)
    reader.fill(CHUNK_BYTES)
    reader.buffer = reader.buffer[start:]
    return "JSON array", array_chunks(reader, max_row_bytes, address)


class _SearchedChunks:
    """Chunks of JSON rows, searched for the uid field until a row has it.

    `fields` are those of the first rows, `names` the names of all fields of the rows that were parsed for this.
    """

    def __init__(self, chunks: Iterator[Chunk], chosen: Fields) -> None:
        first = list(islice(chunks, 1))
        self.names = names_in(_values(first[0], _SAMPLED_ROWS)) if first else []
        self.fields = find_fields(chosen, self.names)
        self._chunks = chain(first, chunks)

    @property
    def have_uid(self) -> bool:
        """Whether one of the rows so far has the uid field."""
        return self.fields.uid in self.names

    def __iter__(self) -> "_SearchedChunks":
        return self

    def __next__(self) -> Chunk:
        chunk = next(self._chunks)
        if not self.have_uid and (not self.names or _may_have_field(chunk, self.fields.uid)):
            self.names = list(dict.fromkeys([*self.names, *names_in(_values(chunk))]))
        return chunk


def _check_uid(chunks: _SearchedChunks, chosen: Fields, address: str) -> None:
    """Log a warning if no row has a uid field. Errors: `InputError` (65) if it was chosen; the rows not read yet count too."""
    while chosen.uid and not chunks.have_uid and next(chunks, None):
        pass
    if chunks.have_uid or not chunks.names:
        return
    if chosen.uid:
        raise _without_fields("JSON with the fields", "field", address, chunks.names, chunks.fields, ["uid"])
    _warn_of_no_uid()


def _may_have_field(chunk: Chunk, field: str) -> bool:
    """Return False if no row has the field. A name of letters and digits has no escapes in JSON, another one may."""
    return re.fullmatch(r"\w+", field, re.ASCII) is None or f'"{field}"'.encode() in chunk.data


def _values(chunk: Chunk, max_rows: int | None = None) -> Iterator[Any]:
    """Yield the value of each of the first rows that can be read."""
    for _, line, _ in islice(rows_of(chunk), max_rows):
        with suppress(ValueError, RecursionError):
            yield json_value(line)


def json_value(line: bytes) -> Any:
    """Return the value of a line of JSON. Errors: `ValueError`, of which `UnicodeDecodeError` is one, and `RecursionError`."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line.decode(), strict=False)  # accepts NaN, lone surrogates and control characters


def _missing(fields: Fields, names: Collection[str], required: tuple[str, ...]) -> list[str]:
    """Return the required parts of a row whose field does not exist."""
    return [part for part in required if getattr(fields, part) not in names]


def _warn_of_no_uid() -> None:
    log.warning("rows have no uid: line numbers are used", remedy="--uid-field names one")


def _without_fields(
    kind: str, noun: str, address: str, names: Collection[str], fields: Fields, missing: list[str]
) -> InputError:
    expected = " and one named ".join(getattr(fields, part) for part in missing)
    settings = " and ".join(f"--{part}-field" for part in missing)
    return InputError(
        f"{address} is {kind} {shown_names(names)}, expected one named {expected}: name the {noun} with {settings}"
    )


def shown_names(names: Collection[str]) -> str:
    """Return the first fields or columns of an input for a message, `none` if it has none."""
    return ", ".join(repr(name[:40]) for name in list(names)[:20]) or "none"
