"""Rows of JSON Lines or of one JSON array, split into chunks of whole rows that processes can work on in parallel.

A row is one line that is not blank, or one element of the array. A chunk holds at most `CHUNK_BYTES` and one row, whatever
the size of the input. The boundaries of the chunks depend only on the bytes, not on the sizes in which a stream is read.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jobs.process.errors import InputError
from jobs.storage.sources import Stream

CHUNK_BYTES = 1 << 20
KEPT_OF_A_TOO_LONG_ROW = 1000
_ARRAY = re.compile(rb"\s*\[\s*(?=[{\]]|$)")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows, one per line of `data`. `first_row` is the number of the first one, from 1, blank lines included.

    `too_long`: the chunk holds only the beginning of one row that is longer than allowed. `problems` maps the index of a line
    to the reason why its row is unreadable, for formats in which the line itself does not show it; the line then is that of the
    file. `undecoded` maps the index of a line that is not UTF-8 to its row as JSON that is not UTF-8 either.
    """

    first_row: int
    data: bytes
    too_long: bool = False
    problems: Mapping[int, str] = field(default_factory=dict)
    undecoded: Mapping[int, bytes] = field(default_factory=dict)


def rows_of(chunk: Chunk) -> Iterator[tuple[int, bytes, str | None]]:
    """Yield number, line and problem of every row that is not blank. Concatenated files have byte order marks in the middle."""
    for index, line in enumerate(chunk.data.split(b"\n")):
        line = line.removeprefix(codecs.BOM_UTF8)
        if line and not line.isspace():
            yield chunk.first_row + index, line, "too-long" if chunk.too_long else chunk.problems.get(index)


def array_start(head: bytes) -> int | None:
    """Return where the elements of a JSON array begin that begins with these bytes, or None if it is not an array of objects."""
    start = len(head) - len(head.removeprefix(codecs.BOM_UTF8))
    array = _ARRAY.match(head, start)
    return array.end() if array else None


class Reader:
    """A buffer over a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self.buffer, self.ended = stream, b"", False

    def fill(self, size: int) -> None:
        """Read until the buffer has `size` bytes or the stream ends, so that chunk boundaries do not depend on the stream."""
        parts, length = [self.buffer], len(self.buffer)
        while length < size and not self.ended:
            data = self._stream.read(size - length)
            self.ended = not data
            parts.append(data)
            length += len(data)
        self.buffer = b"".join(parts)


def line_chunks(reader: Reader, max_row_bytes: int) -> Iterator[Chunk]:
    """Yield the lines of a stream in order."""
    row = 1
    while True:
        reader.fill(max(CHUNK_BYTES, len(reader.buffer)))
        data = reader.buffer
        if not data:
            return
        end = len(data) if reader.ended else data.rfind(b"\n") + 1
        if end:
            yield Chunk(row, data[:end])
            row += data.count(b"\n", 0, end)
            reader.buffer = data[end:]
        elif len(data) <= max_row_bytes:
            reader.fill(max_row_bytes + 1)
        else:
            yield Chunk(row, data[:KEPT_OF_A_TOO_LONG_ROW], too_long=True)
            row += 1
            skip_line(reader)


def skip_line(reader: Reader) -> None:
    """Read up to the end of the current line, and drop what was read."""
    while (end := reader.buffer.find(b"\n")) < 0 and not reader.ended:
        reader.buffer = b""
        reader.fill(CHUNK_BYTES)
    reader.buffer = reader.buffer[end + 1 :] if end >= 0 else b""


def array_chunks(reader: Reader, max_row_bytes: int, address: str) -> Iterator[Chunk]:
    """Yield the elements of an array, each on one line, as chunks of JSON Lines. Rows are numbered by element.

    The reader is at `array_start`. Errors: `InputError` (65) naming `address` if the array is truncated or something follows it.
    """
    array = _ArraySplitter(max_row_bytes)
    row, pending, pending_bytes = 1, list[bytes](), 0
    while True:
        for element in array.feed(reader.buffer):
            too_long = len(element) > max_row_bytes
            if pending and (too_long or pending_bytes >= CHUNK_BYTES):
                yield Chunk(row, b"\n".join(pending))
                row, pending, pending_bytes = row + len(pending), [], 0
            if too_long:
                yield Chunk(row, element[:KEPT_OF_A_TOO_LONG_ROW], too_long=True)
                row += 1
            else:
                pending.append(element)
                pending_bytes += len(element)
        reader.buffer = b""
        if reader.ended:
            break
        reader.fill(CHUNK_BYTES)
    if pending:
        yield Chunk(row, b"\n".join(pending))
    if not array.closed:
        raise InputError(f"{address} is a JSON array without its closing `]`: download or create the file again")
    if array.rest.strip():
        raise InputError(f"{address} has data after its JSON array: expected one array, or JSON Lines")


class _ArraySplitter:
    """Splits the text after the `[` of an array into its elements, and holds at most one of them.

    An element ends at a comma outside of all brackets and strings, or at the `]` of the array. `_position`: where the scan for these
    continues in the buffer, which is the beginning of a string that has not ended yet. Of an element that is too long, the rest is
    scanned and dropped (`_skipping`).
    """

    def __init__(self, max_row_bytes: int) -> None:
        self._max_row_bytes = max_row_bytes
        self._buffer, self._position, self._depth, self._skipping = b"", 0, 0, False
        self.closed, self.rest = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the elements that end in `data`, without line breaks; one that is too long is yielded once, truncated."""
        if self.closed:
            self.rest += data[:KEPT_OF_A_TOO_LONG_ROW].strip()
            return
        self._buffer += data
        begin = 0
        for token in _TOKEN.finditer(self._buffer, self._position):
            mark = token[0]
            if mark == b'"':  # a string that continues in the next data
                self._position = token.start()
                break
            self._position = token.end()
            self._depth += (mark in b"[{") - (mark in b"]}") if len(mark) == 1 else 0
            if self._depth < 0 or (self._depth == 0 and mark == b","):
                if element := self._finish(self._buffer[begin : token.start()]):
                    yield element
                begin = token.end()
            if self._depth < 0:
                self.closed, self.rest = True, self._buffer[begin : begin + KEPT_OF_A_TOO_LONG_ROW].strip()
                return
        else:
            self._position = len(self._buffer)
        self._buffer, self._position = self._buffer[begin:], self._position - begin
        if len(self._buffer) > self._max_row_bytes:
            if not self._skipping:
                size = self._max_row_bytes + 1  # its length shows the caller that it is too long
                yield self._buffer.lstrip()[:size].replace(b"\n", b" ").ljust(size)
            self._skipping = True
            self._forget()

    def _finish(self, element: bytes) -> bytes:
        skipped, self._skipping = self._skipping, False
        return b"" if skipped else b" ".join(element.split(b"\n")).strip()

    def _forget(self) -> None:
        """Keep only the state of a long element: whether a string is open, and whether a backslash escapes its next byte."""
        open_string = self._buffer[self._position :]
        backslashes = len(open_string) - len(open_string.rstrip(b"\\"))
        self._buffer = (b'"' + b"\\" * (backslashes % 2)) if open_string else b""
        self._position = 0
