"""Recognizes files in an unexpected format, for error messages: what a file seems to be, and how to convert it."""

import codecs
import json
import re
from contextlib import suppress
from itertools import pairwise

from jobs.storage.csv_rows import csv_header

_EXAMINED_BYTES = 1 << 16
_EXAMINED_LINES = 100
_TO_JSON_LINES = "convert it to JSON Lines, one object per line"

_MAGIC = (
    (b"PAR1\x15", "Parquet: give it a name that ends in .parquet"),  # with its fifth byte, because PAR16 is a lamp
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it"),
    (b"PK\x03\x04", "a zip inside another file: unpack it"),
    (b"\x04\x22\x4d\x18", "LZ4: decompress it"),
    (b"\x1f\x9d", "a .Z file: decompress it"),
    (b"]\0\0", "LZMA without the container of xz: decompress it"),
    (b"%PDF-", "a PDF"),
    (b"SQLite format 3\0", f"an SQLite database: {_TO_JSON_LINES}"),
    (b"\xd0\xcf\x11\xe0", "an old Office document: save the table as CSV"),
    (b"ARROW1\0\0", "an Arrow file: save it as Parquet"),
    (b"Obj\x01", f"an Avro file: {_TO_JSON_LINES}"),
    (b"\x80\x04\x95", f"a Python pickle: {_TO_JSON_LINES}"),
    (b"\x80\x03", f"a Python pickle: {_TO_JSON_LINES}"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
)
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_JSON = re.compile(rb"""\s*+(?:\{\s*+(?:"(?:[^"\\]|\\.)*+"\s*+:|\})|\[\s*+\{)""")
_PYTHON = re.compile(rb"""\s*+(?:\[\s*+)?\{\s*+u?'(?:[^'\\]|\\.)*'\s*:""")
_SEVERAL = re.compile(rb"\}\s*+,?\s*+\{\s*+\"")


def appearance(head: bytes, *, is_recognised: bool = False) -> str | None:
    """Return the format that the first bytes of a file suggest, with how to convert it, or None if they suggest none.

    Call it for files with unreadable rows only: it can be wrong about a file that is valid. `is_recognised`: the format of the
    file is known, and only its encoding is examined.
    """
    head = head[:_EXAMINED_BYTES].removeprefix(codecs.BOM_UTF8)
    if is_recognised:
        return _eight_bit(_whole_lines(head))
    return _without_text(head) or _appearance_of_lines(head)


def other_than_plain_text(head: bytes) -> str | None:
    """Return what the first bytes of a file with the name of a table or a text are instead, with what to do, or None.

    Unlike `appearance`, it is not wrong about a valid file.
    """
    head = head[:_EXAMINED_BYTES].removeprefix(codecs.BOM_UTF8)
    return _without_text(head) or ("JSON: give it a name that ends in .jsonl" if _JSON.match(head) else None)


def _without_text(head: bytes) -> str | None:
    """Return the format of a file that has no lines of text to read, or None."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it"
    if _HTML.match(head):
        return "an HTML page, such as the error or login page of a server: check the address"
    if head.lstrip().startswith(b"<?xml") or head.lstrip().startswith(b"<Error>"):
        return "XML, such as the error message of a server: check the address"
    if encoding := _wide_encoding(head):
        return f"{encoding} without a byte order mark: save it as UTF-8"
    if b"\n" not in head and b"\r" in head.strip():
        return "text whose lines end in CR only, as on old Macs: save it with the line ends LF or CRLF"
    return None


def _appearance_of_lines(head: bytes) -> str | None:
    """Return why the first lines cannot be read as JSON, with how to convert them, or None if no reason is recognized."""
    if _PYTHON.match(head):
        return f"Python literals, with single quotes, not JSON: {_TO_JSON_LINES}, as with `json.dumps(ast.literal_eval(line))`"
    lines = _whole_lines(head)
    return (
        _one_object(head)
        or _trailing_commas(lines)
        or _several_on_one_line(lines)
        or _eight_bit(lines)
        or _csv(head, lines)
    )


def _whole_lines(head: bytes) -> list[bytes]:
    lines = [line for line in head.split(b"\n") if line.strip()]
    return lines[:-1][:_EXAMINED_LINES] or lines  # the last one may be truncated


def _one_object(head: bytes) -> str | None:
    """Return a phrase if the file is one object around the rows, or objects that span several lines."""
    text = head.decode(errors="replace").lstrip()
    if not text.startswith("{"):
        return None
    wrapped = re.match(r'\{\s*"([^"]{1,40})"\s*:\s*\[\s*\{', text)
    if wrapped:
        return f"one JSON object with the rows in {wrapped[1]!r}: keep only that array, as with `jq .{wrapped[1]}`"
    with suppress(ValueError):
        end = json.JSONDecoder().raw_decode(text)[1]
        if "\n" in text[:end].strip():
            return "JSON objects over several lines: write each one on one line, as with `jq -c .`"
    return None


def _trailing_commas(lines: list[bytes]) -> str | None:
    with_comma = [line for line in lines if line.rstrip().endswith(b",") and _is_json(line.rstrip()[:-1])]
    if 2 * len(with_comma) > len(lines):
        return "JSON with a trailing comma on each line: remove the commas, or put the lines between `[` and `]`"
    return None


def _several_on_one_line(lines: list[bytes]) -> str | None:
    unreadable = [line for line in lines if not _is_json(line)]
    if unreadable and _SEVERAL.search(unreadable[0]) and unreadable[0].lstrip().startswith(b"{"):
        return "several JSON objects on one line: write each one on a line of its own, as with `jq -c .`"
    return None


def _eight_bit(lines: list[bytes]) -> str | None:
    """Return a phrase if some lines are not UTF-8 and have no control characters, as text with one byte per character."""
    foreign = [line for line in lines if not _is_utf_8(line)]
    if not foreign or any(set(line) & set(b"\x00\x01\x02\x03\x04\x05\x06\x07") for line in foreign):
        return None
    return "Latin-1, Windows-1252 or another encoding with one byte per character: save it as UTF-8"


def _csv(head: bytes, lines: list[bytes]) -> str | None:
    if len(lines) < 2 or lines[0].lstrip().startswith((b"{", b"[", b'"{')):
        return None
    header = csv_header(head)
    counts = [line.count(header.delimiter.encode()) for line in lines[:10]]
    if len(header.names) < 2 or any(abs(one - other) > max(counts[0], 3) for one, other in pairwise(counts)):
        return None
    names = ", ".join(repr(name) for name in header.names[:8])
    return (
        f"CSV with the columns {names}: expected columns named title and content, or --title-field and --content-field"
    )


def _wide_encoding(head: bytes) -> str | None:
    """Return UTF-16 or UTF-32 if as many bytes are NUL as in ASCII text in that encoding."""
    nul = head.count(0) / max(1, len(head))
    if nul > 0.6:
        return "UTF-32"
    return "UTF-16" if nul > 0.3 else None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
