"""Rows of CSV files as chunks of JSON Lines."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from jobs.storage.chunk_builder import ChunkBuilder
from jobs.storage.chunks import CHUNK_BYTES, KEPT_OF_A_TOO_LONG_ROW, Chunk, Reader, skip_line
from jobs.storage.fields import Fields

DELIMITERS = ",\t;|"
ESCAPE = "\\"
_BLANK_LINES = r"(?:(?:[^\S\n]|[,;|])*+\n)*+"  # Excel writes a row without cells as delimiters
_BEFORE_HEADER = re.compile(rf'{_BLANK_LINES}(?:"?sep=([^\w\s"]|\t)"?[ \r]*\n{_BLANK_LINES})?', re.IGNORECASE)


@dataclass(frozen=True)
class CsvHeader:
    """The first record of a CSV file: its delimiter, and the names of its columns.

    `escape`: the character before a quote within a field, or None if such a quote is doubled. `line`: the number of its line,
    after blank ones and the line `sep=;` with which Excel names the delimiter.
    """

    delimiter: str
    names: tuple[str, ...]
    escape: str | None = None
    line: int = 1


def csv_header(head: bytes) -> CsvHeader:
    """Return the header of the CSV file that begins with these bytes.

    The delimiter is the one that the file names, or else the one that gives the most columns.
    """
    lines_before, named, text = _beginning(head)
    line = text.partition("\n")[0].rstrip("\r")
    headers = [
        CsvHeader(delimiter, _names(line, delimiter), line=lines_before + 1) for delimiter in named or DELIMITERS
    ]
    return max(headers, key=lambda header: len(header.names))


def with_escape(header: CsvHeader, head: bytes) -> CsvHeader:
    """Return the header with a backslash as its escape, as databases write quotes, if more of the first records fit it then."""
    _, _, text = _beginning(head)
    if ESCAPE + '"' not in text:
        return header
    escaped = replace(header, escape=ESCAPE)
    return escaped if _fitting_records(text, escaped) > _fitting_records(text, header) else header


def csv_chunks(reader: Reader, header: CsvHeader, fields: Fields, max_row_bytes: int) -> Iterator[Chunk]:
    """Yield the records of a CSV file. A row's number is that of its first line in the file.

    A record with another number of fields than the header, or with misplaced quotes, is unreadable, and so are rows that quotes
    have joined. Each of its lines then is a row with the problem `broken-csv`, because one missing quote can join many lines.
    """
    csv.field_size_limit(max_row_bytes)
    columns = {name: header.names.index(name) for name in vars(fields).values() if name in header.names}
    lines, builder = _Lines(reader, max_row_bytes), ChunkBuilder()
    for _ in range(header.line - 1):
        next(lines, None)
    records = _records(lines, header)
    with suppress(csv.Error, StopIteration):
        next(records)
    while True:
        lines.taken, number = [], lines.number + 1
        try:
            record = next(records)
            is_broken = _is_broken(record, len(header.names)) or _are_rows(lines.taken, header)
        except csv.Error:
            record, is_broken = [], True
        except StopIteration:
            break
        if len(lines.taken) == 1 and len(lines.taken[0]) > max_row_bytes:
            builder.add_unreadable(number, lines.taken[0][:KEPT_OF_A_TOO_LONG_ROW], "too-long")
        elif is_broken:
            for offset, line in enumerate(lines.taken):
                if not line.isspace():  # a blank line
                    builder.add_unreadable(number + offset, line, "broken-csv")
        elif record:
            builder.add(number, {name: record[column] for name, column in columns.items()}, lines.taken)
        if builder.is_full:
            yield builder.take()
    if not builder.is_empty:
        yield builder.take()


class _Lines:
    """The lines of a stream as text, for `csv.reader`. `taken` collects the bytes of those that were read, `number` counts them.

    A line longer than `max_row_bytes` is truncated to one byte more, so that its length shows that it is too long.
    """

    def __init__(self, reader: Reader, max_row_bytes: int) -> None:
        self._reader, self._max_row_bytes = reader, max_row_bytes
        self._lines: Iterator[bytes] = iter(())
        self.taken, self.number = list[bytes](), 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self._lines = iter(self._read())
            line = next(self._lines)
        line = line.removeprefix(codecs.BOM_UTF8)
        self.taken.append(line)
        self.number += 1
        return line.decode(errors="surrogateescape") + "\n"

    def _read(self) -> list[bytes]:
        """Return the next lines, without their ends; none at the end of the stream."""
        reader = self._reader
        reader.fill(CHUNK_BYTES)
        if b"\n" not in reader.buffer and not reader.ended:
            reader.fill(max(self._max_row_bytes + 1, CHUNK_BYTES))
        data = reader.buffer
        if not data:
            return []
        end = len(data) if reader.ended else data.rfind(b"\n") + 1
        if not end:
            skip_line(reader)
            return [data[: self._max_row_bytes + 1]]
        reader.buffer = data[end:]
        return data[:end].removesuffix(b"\n").split(b"\n")


def _beginning(head: bytes) -> tuple[int, str, str]:
    """Return the number of lines before the header of a file, the delimiter that they name or "", and its text from the header on.

    A tab is not stripped: it can be the delimiter after an empty name.
    """
    text = head.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")
    before = _BEFORE_HEADER.match(text)
    if before is None:
        return 0, "", text[:CHUNK_BYTES]
    return before[0].count("\n"), before[1] or "", text[before.end() :].lstrip(" ")[:CHUNK_BYTES]


def _records(lines: Iterable[str], header: CsvHeader) -> Iterator[list[str]]:
    """Yield the fields of each record. Errors: `csv.Error` at a misplaced quote; the next record can be read after it."""
    return csv.reader(lines, delimiter=header.delimiter, escapechar=header.escape, strict=True)


def _fitting_records(text: str, header: CsvHeader) -> int:
    """Return how many records at the beginning of a file fit its header."""
    records, fitting = _records((f"{line}\n" for line in text.split("\n")), header), 0
    while True:
        try:
            fitting += not _is_broken(next(records), len(header.names))
        except csv.Error:
            continue
        except StopIteration:
            return fitting


def _is_broken(record: list[str], columns: int) -> bool:
    """Return whether a record does not fit the header. A blank line fits, and so do empty fields after the last column."""
    return bool(record) and (len(record) < columns or any(record[columns:]))


def _are_rows(lines: list[bytes], header: CsvHeader) -> bool:
    """Return whether the lines of one record are rows of their own: each has as many tabs as the header.

    Databases write tables with tabs without quotes, where `"` at the beginning of a text and `"` at the end of a later one would
    join them. In a file with commas, the lines of a text may have as many.
    """
    tabs = len(header.names) - 1
    return header.delimiter == "\t" and len(lines) > 1 < tabs and all(line.count(b"\t") == tabs for line in lines)


def _names(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return ()
