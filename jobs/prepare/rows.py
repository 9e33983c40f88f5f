"""Raw rows parsed from chunks: each one has a uid, a title and a content, or is rejected with a reason."""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobs.storage.chunks import Chunk, rows_of
from jobs.storage.fields import MAX_EXACT_FLOAT, Fields, uid_of
from jobs.storage.row_formats import json_value

EXCERPT_CHARACTERS = 200
UNREADABLE = frozenset(("broken-json", "broken-csv", "invalid-utf-8", "not-an-object", "too-long", "uid-not-text"))
"""The reasons for which a row is unreadable: the row or its uid could not be parsed."""
MAX_LIST_CHARACTERS = 100_000
"""A longer text is not parsed as Python, which takes a microsecond per character, but split as one that has lost its escapes."""
DUPLICATE_UID = "duplicate-uid"
"""The reason for which a row is left out that has the uid of an earlier row."""

_LIST = re.compile(r"""\[['"](.*)['"]\]\Z""", re.DOTALL)
_BETWEEN = re.compile(r"""['"],\s['"]""")
_NESTED = re.compile(r"""\[['"]|['"]\]""")
_WITHOUT_COMMA = re.compile(r"""['"]\s+['"]""")  # NumPy prints texts so; Python would join them without a space


class ProductRow(NamedTuple):  # a frozen dataclass takes three times as long to create, and there are millions of rows
    """A row with a title and a content, as they are in the input or cleaned. `row` is its number in the input, from 1."""

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


def parse_rows(chunk: Chunk, fields: Fields, max_row_bytes: int) -> Iterator[ProductRow | Reject]:
    """Yield every row of a chunk that is not blank, parsed or rejected."""
    for row, line, problem in rows_of(chunk):
        if problem is None and len(line) > max_row_bytes:
            problem = "too-long"
        yield Reject(row, None, problem, excerpt(line)) if problem else _parse(row, line, fields)


def excerpt(text: str | bytes) -> str:
    """Return the beginning of a text for the table of rejects, at most 200 characters that UTF-8 can encode."""
    if isinstance(text, bytes):
        text = text[: 4 * EXCERPT_CHARACTERS].decode(errors="replace")
    return text[:EXCERPT_CHARACTERS].replace("\0", "\ufffd").encode(errors="replace").decode()


def _parse(row: int, line: bytes, fields: Fields) -> ProductRow | Reject:
    try:
        value = _value(line, fields)
    except UnicodeDecodeError:
        return Reject(row, None, "invalid-utf-8", excerpt(line))
    except (ValueError, RecursionError):
        return Reject(row, None, "broken-json", excerpt(line))
    if not isinstance(value, dict):
        return Reject(row, None, "not-an-object", excerpt(line))
    return _check(row, value, line, fields)


def _value(line: bytes, fields: Fields) -> Any:
    value = json_value(line)
    if isinstance(value, dict) and _may_be_inexact(value.get(fields.uid)):
        return json.loads(line.decode(), strict=False)  # orjson makes a float of an integer with more than 64 bits
    return value


def _check(row: int, value: dict[str, Any], line: bytes, fields: Fields) -> ProductRow | Reject:
    try:
        uid = uid_of(value.get(fields.uid))
    except ValueError:
        return Reject(row, None, "uid-not-text", excerpt(line))
    if uid is None:
        uid = f"line-{row}"
    title, content = value.get(fields.title), joined(value.get(fields.content))
    for name, text in (("title", title), ("content", content)):
        if text is None or text == "":
            return Reject(row, uid, f"no-{name}", excerpt(line))
        if not isinstance(text, str):
            return Reject(row, uid, f"{name}-not-text", excerpt(line))
    return ProductRow(row, uid, title, content)  # type: ignore[arg-type]  # the loop has checked both


def _may_be_inexact(uid: Any) -> bool:
    return isinstance(uid, float) and abs(uid) >= MAX_EXACT_FLOAT


def joined(content: Any) -> Any:
    """Return a list of paragraphs as one text, also one that is written as in Python, and everything else as it is."""
    if isinstance(content, str):
        content = _listed(content)
    if isinstance(content, list) and all(isinstance(paragraph, str) for paragraph in content):
        return "\n".join(filter(str.strip, content))
    return content


def _listed(content: str) -> str | list[str]:
    """Return the list of texts that a text is the `repr()` of, as in the CSV files of public dumps, or the text."""
    text = content.strip()
    match = _LIST.match(text)
    if not match or _WITHOUT_COMMA.search(text):
        return content
    if len(text) <= MAX_LIST_CHARACTERS:
        with suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that Python does not know
            value = ast.literal_eval(text)
            return value if all(isinstance(item, str) for item in value) else content
    return content if _NESTED.search(match[1]) else _BETWEEN.split(match[1])
