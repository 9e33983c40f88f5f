"""Raw rows: JSON Lines, or one JSON array of objects, cut into chunks of whole rows that a process can work on alone.

A row is one line that is not blank, or one element of the array. However large the input and whatever is in it, a chunk
is at most `CHUNK_BYTES` and a row, and the cuts depend on nothing but the bytes.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobs.process.errors import InputError
from jobs.storage.sources import Stream

CHUNK_BYTES = 1 << 20
MAX_UID_CHARACTERS = 200
SHOWN_CHARACTERS = 200
_BOM = b"\xef\xbb\xbf"
_ARRAY = re.compile(rb"\s*\[\s*(?=[{\]]|$)")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)


@dataclass(frozen=True)
class Chunk:
    """Some rows. `data` has one row a line; the first is row `first_row`, counted from 1, blank lines included.

    `too_long` is set on a chunk that is nothing but the beginning of one row that is longer than allowed.
    """

    first_row: int
    data: bytes
    too_long: bool = False


class RawRow(NamedTuple):  # a frozen dataclass takes thrice as long to make, and there are millions
    """A row with a title and a content, both as they came."""

    row: int
    uid: str
    title: str
    content: str


@dataclass(frozen=True)
class Reject:
    """A row that is left out: its number, its uid where it has one, why, and the beginning of its text."""

    row: int
    uid: str | None
    reason: str
    text: str


def chunks(stream: Stream, max_row_bytes: int, address: str) -> Iterator[Chunk]:
    """The rows of a stream, in order. Errors: `InputError` (65) where an array breaks off or something follows it."""
    reader = _Reader(stream)
    reader.fill(CHUNK_BYTES)
    reader.buffer = reader.buffer.removeprefix(_BOM)
    array = _ARRAY.match(reader.buffer)
    if array:
        reader.buffer = reader.buffer[array.end() :]
        return _elements(reader, max_row_bytes, address)
    return _lines(reader, max_row_bytes)


def parsed(chunk: Chunk, max_row_bytes: int) -> Iterator[RawRow | Reject]:
    """Every row of a chunk, blank lines left out: with its title and content, or rejected."""
    if chunk.too_long:
        yield Reject(chunk.first_row, None, "too-long", shown(chunk.data))
        return
    for row, line in enumerate(chunk.data.split(b"\n"), chunk.first_row):
        if not line or line.isspace():
            continue
        if len(line) > max_row_bytes:
            yield Reject(row, None, "too-long", shown(line))
        else:
            yield _parsed(row, line)


def shown(text: str | bytes) -> str:
    """The beginning of a text, for the table of rejects."""
    if isinstance(text, bytes):
        text = text[: 4 * SHOWN_CHARACTERS].decode(errors="replace")
    return text[:SHOWN_CHARACTERS].replace("\0", "\ufffd").encode(errors="replace").decode()


def _parsed(row: int, line: bytes) -> RawRow | Reject:
    import orjson

    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(line.decode(), strict=False)  # NaN, half a surrogate pair, a raw tab in a string
        except UnicodeDecodeError:
            return Reject(row, None, "invalid-utf-8", shown(line))
        except (ValueError, RecursionError):
            return Reject(row, None, "broken-json", shown(line))
    if not isinstance(value, dict):
        return Reject(row, None, "not-an-object", shown(line))
    return _checked(row, value, line)


def _checked(row: int, value: dict[str, Any], line: bytes) -> RawRow | Reject:
    uid = value.get("uid")
    if uid is None or uid == "":
        uid = f"line-{row}"
    elif isinstance(uid, int) and not isinstance(uid, bool):
        uid = str(uid)
    if not isinstance(uid, str) or not uid.isprintable() or len(uid) > MAX_UID_CHARACTERS:
        return Reject(row, None, "uid-not-text", shown(line))
    for name in ("title", "content"):
        text = value.get(name)
        if text is None or text == "":
            return Reject(row, uid, f"no-{name}", shown(line))
        if not isinstance(text, str):
            return Reject(row, uid, f"{name}-not-text", shown(line))
    return RawRow(row, uid, value["title"], value["content"])


class _Reader:
    """A buffer over a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self.buffer, self.ended = stream, b"", False

    def fill(self, size: int) -> None:
        """Read until the buffer has `size` bytes or the stream ends, so that the cuts don't depend on the pieces."""
        parts, have = [self.buffer], len(self.buffer)
        while have < size and not self.ended:
            data = self._stream.read(size - have)
            self.ended = not data
            parts.append(data)
            have += len(data)
        self.buffer = b"".join(parts)


def _lines(reader: _Reader, max_row_bytes: int) -> Iterator[Chunk]:
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
            yield Chunk(row, data[:1000], too_long=True)
            row += 1
            _skip_line(reader)


def _skip_line(reader: _Reader) -> None:
    while (end := reader.buffer.find(b"\n")) < 0 and not reader.ended:
        reader.buffer = b""
        reader.fill(CHUNK_BYTES)
    reader.buffer = reader.buffer[end + 1 :] if end >= 0 else b""


def _elements(reader: _Reader, max_row_bytes: int, address: str) -> Iterator[Chunk]:
    """The elements of an array, each made one line, for chunks as of JSON Lines; the rows are counted by element."""
    array = _Array(max_row_bytes)
    row, waiting, waiting_bytes = 1, list[bytes](), 0
    while True:
        for element in array.feed(reader.buffer):
            too_long = len(element) > max_row_bytes
            if waiting and (too_long or waiting_bytes >= CHUNK_BYTES):
                yield Chunk(row, b"\n".join(waiting))
                row, waiting, waiting_bytes = row + len(waiting), [], 0
            if too_long:
                yield Chunk(row, element[:1000], too_long=True)
                row += 1
            else:
                waiting.append(element)
                waiting_bytes += len(element)
        reader.buffer = b""
        if reader.ended:
            break
        reader.fill(CHUNK_BYTES)
    if waiting:
        yield Chunk(row, b"\n".join(waiting))
    if not array.closed:
        raise InputError(f"{address} is a JSON array that breaks off before its `]`: fetch or make the file again")
    if array.rest.strip():
        raise InputError(f"{address} goes on after its JSON array has ended: one array, or JSON Lines, was expected")


class _Array:
    """Cuts what follows the `[` of an array into its elements, holding no more than one row of it."""

    def __init__(self, max_row_bytes: int) -> None:
        self._max_row_bytes = max_row_bytes
        self._buffer, self._at, self._depth, self._skipping = b"", 0, 0, False
        self.closed, self.rest = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The elements that end in `data`, without line breaks; one that is too long comes as its first part, once."""
        if self.closed:
            self.rest += data[:1000].strip()
            return
        self._buffer += data
        begin = 0
        for token in _TOKEN.finditer(self._buffer, self._at):
            mark = token[0]
            if mark == b'"':  # a string that goes on in what comes next
                self._at = token.start()
                break
            self._at = token.end()
            self._depth += (mark in b"[{") - (mark in b"]}") if len(mark) == 1 else 0
            if self._depth < 0 or (self._depth == 0 and mark == b","):
                if element := self._ended(self._buffer[begin : token.start()]):
                    yield element
                begin = token.end()
            if self._depth < 0:
                self.closed, self.rest = True, self._buffer[begin : begin + 1000].strip()
                return
        else:
            self._at = len(self._buffer)
        self._buffer, self._at = self._buffer[begin:], self._at - begin
        if len(self._buffer) > self._max_row_bytes:
            if not self._skipping:
                size = self._max_row_bytes + 1  # that it is too long is seen by it
                yield self._buffer.lstrip()[:size].ljust(size)
            self._skipping = True
            self._forget()

    def _ended(self, element: bytes) -> bytes:
        skipped, self._skipping = self._skipping, False
        return b"" if skipped else b" ".join(element.split(b"\n")).strip()

    def _forget(self) -> None:
        """Keep of a long element only whether a string is open, and whether a backslash is."""
        open_string = self._buffer[self._at :]
        backslashes = len(open_string) - len(open_string.rstrip(b"\\"))
        self._buffer = (b'"' + b"\\" * (backslashes % 2)) if open_string else b""
        self._at = 0
