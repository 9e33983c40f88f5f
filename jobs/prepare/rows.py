"""Raw rows parsed from chunks: each one has a uid, a title and a content, or is rejected with a reason."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from jobs.prepare.chunks import Chunk

MAX_UID_CHARACTERS = 200
EXCERPT_CHARACTERS = 200


class RawRow(NamedTuple):  # a frozen dataclass takes three times as long to create, and there are millions of rows
    """A row with a title and a content, not cleaned yet. `row` is its number in the input, from 1."""

    row: int
    uid: str
    title: str
    content: str


@dataclass(frozen=True)
class Reject:
    """A row that is left out: its number, its uid if it has one, the reason, and an excerpt of its text."""

    row: int
    uid: str | None
    reason: str
    text: str


def parse_rows(chunk: Chunk, max_row_bytes: int) -> Iterator[RawRow | Reject]:
    """Yield every row of a chunk that is not blank, parsed or rejected."""
    if chunk.too_long:
        yield Reject(chunk.first_row, None, "too-long", excerpt(chunk.data))
        return
    for row, line in enumerate(chunk.data.split(b"\n"), chunk.first_row):
        if not line or line.isspace():
            continue
        if len(line) > max_row_bytes:
            yield Reject(row, None, "too-long", excerpt(line))
        else:
            yield _parse(row, line)


def excerpt(text: str | bytes) -> str:
    """Return the beginning of a text for the table of rejects, at most 200 characters that UTF-8 can encode."""
    if isinstance(text, bytes):
        text = text[: 4 * EXCERPT_CHARACTERS].decode(errors="replace")
    return text[:EXCERPT_CHARACTERS].replace("\0", "\ufffd").encode(errors="replace").decode()


def _parse(row: int, line: bytes) -> RawRow | Reject:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(line.decode(), strict=False)  # accepts NaN, lone surrogates and control characters
        except UnicodeDecodeError:
            return Reject(row, None, "invalid-utf-8", excerpt(line))
        except (ValueError, RecursionError):
            return Reject(row, None, "broken-json", excerpt(line))
    if not isinstance(value, dict):
        return Reject(row, None, "not-an-object", excerpt(line))
    return _check(row, value, line)


def _check(row: int, value: dict[str, Any], line: bytes) -> RawRow | Reject:
    uid = value.get("uid")
    if uid is None or uid == "":
        uid = f"line-{row}"
    elif isinstance(uid, int) and not isinstance(uid, bool):
        uid = str(uid)
    if not isinstance(uid, str) or not uid.isprintable() or len(uid) > MAX_UID_CHARACTERS:
        return Reject(row, None, "uid-not-text", excerpt(line))
    for name in ("title", "content"):
        text = value.get(name)
        if text is None or text == "":
            return Reject(row, uid, f"no-{name}", excerpt(line))
        if not isinstance(text, str):
            return Reject(row, uid, f"{name}-not-text", excerpt(line))
    return RawRow(row, uid, value["title"], value["content"])
