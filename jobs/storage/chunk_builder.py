"""Chunks of JSON Lines from the rows of a table, so that every format is cleaned by the same code."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from jobs.storage.chunks import CHUNK_BYTES, Chunk


class ChunkBuilder:
    """Collects rows as JSON Lines. Row numbers without a row, such as that of the header of a CSV file, become blank lines."""

    def __init__(self) -> None:
        self._first_row, self._lines, self._bytes = 0, list[bytes](), 0
        self._problems, self._undecoded = dict[int, str](), dict[int, bytes]()

    @property
    def is_empty(self) -> bool:
        """Whether no row has been added since the last chunk."""
        return not self._lines

    @property
    def is_full(self) -> bool:
        """Whether the rows are enough for a chunk."""
        return self._bytes >= CHUNK_BYTES

    def add(self, row: int, values: Mapping[str, Any], lines: list[bytes]) -> None:
        """Add a row, which was read from `lines`, if the file has lines. One with text that is not UTF-8 is unreadable."""
        try:
            self._append(row, orjson.dumps(values, default=_as_json), None)
        except TypeError:  # lone surrogates, to which `surrogateescape` decodes invalid bytes
            undecoded = json.dumps(values, default=_as_json, ensure_ascii=False).encode(errors="surrogateescape")
            self._append(row, b" ".join(lines) or undecoded, "invalid-utf-8")
            self._undecoded[len(self._lines) - 1] = undecoded

    def add_unreadable(self, row: int, line: bytes, problem: str) -> None:
        """Add a row that cannot be read."""
        self._append(row, line or b'""', problem)

    def take(self) -> Chunk:
        """Return the rows as a chunk, and begin the next one."""
        chunk = Chunk(self._first_row, b"\n".join(self._lines), problems=self._problems, undecoded=self._undecoded)
        self._first_row, self._lines, self._bytes, self._problems, self._undecoded = 0, [], 0, {}, {}
        return chunk

    def _append(self, row: int, line: bytes, problem: str | None) -> None:
        if not self._lines:
            self._first_row = row
        self._lines += [b""] * (row - self._first_row - len(self._lines))
        if problem:
            self._problems[len(self._lines)] = problem
        self._lines.append(line)
        self._bytes += len(line)


def _as_json(value: Any) -> Any:
    """Return the text of a value that JSON has no type for, such as a decimal number or a duration."""
    return str(value)
