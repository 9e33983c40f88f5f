"""The titles to describe, from a file or from the catalogue.

A file is text with a title per line, JSON Lines with `title` and optionally `uid`, or CSV with these columns. It may be
gzipped, and its address is a path, http(s):// or s3://. Titles are cleaned with the profile of the catalogue.

A row without a usable title is kept, with its error. The texts of these errors are persisted in the exports: a change
changes the digest of every batch that has such a row.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.process.errors import ConfigurationError, InputError
from jobs.process.settings import without_secrets
from jobs.storage import sources
from jobs.storage.catalogue import Catalogue, Title
from jobs.text import cleaning
from jobs.text.cleaning import Profile

SUFFIXES = (".txt", ".jsonl", ".csv")
ALL = "all"
MAX_CHARACTERS = 2_000
EXCERPT_CHARACTERS = 200
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")  # `surrogateescape` decodes invalid bytes to these


@dataclass(frozen=True)
class TitleFile:
    """The content of a file of titles. `suffix` is one of `SUFFIXES` and states the format."""

    address: str
    suffix: str
    data: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of the content."""
        return hashlib.sha256(self.data).hexdigest()


def fetch(address: str) -> TitleFile:
    """Return a file of titles, uncompressed.

    Errors: `ConfigurationError` (78) for an unknown suffix or a missing file, `NotReadyError` (75) if it cannot be reached.
    """
    name = without_secrets(address).lower().removesuffix(".gz")
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
    if suffix is None:
        raise ConfigurationError(
            f"--titles {without_secrets(address)}: expected a file name that ends in {', '.join(SUFFIXES)}, optionally "
            "followed by .gz"
        )
    with sources.opened(address, "--titles (SKUSCRIBE_TITLES)") as source:
        stream = sources.uncompressed(source)
        data = b"".join(iter(lambda: stream.read(sources.READ_BYTES), b""))
    return TitleFile(source.address, suffix, data)


def from_file(file: TitleFile, profile: Profile, limit: int | None) -> list[Title]:
    """Return the titles of a file in its order, at most `limit`. Errors: `InputError` (65) if there are none."""
    text = file.data.decode("utf-8-sig", errors="surrogateescape")
    readers = {".txt": _from_text, ".jsonl": _from_json_lines, ".csv": _from_csv}
    titles: list[Title] = []
    for row in readers[file.suffix](text):
        if limit is not None and len(titles) >= limit:
            break
        titles.append(_cleaned(row, profile))
    if not titles:
        raise InputError(f"{file.address} has no titles: expected one title per line, or rows with a `title`")
    return _with_unique_uids(titles)


def from_catalogue(products: Catalogue, split: str, limit: int | None, folder: Path) -> list[Title]:
    """Return the titles of a split in the catalogue's order, at most `limit`; the split `all` is every product.

    Errors: `InputError` (65) if there are none.
    """
    titles: list[Title] = []
    for name in products.files():
        table = products.read_file(name, folder)
        (folder / name).unlink()
        titles += _of_split(table, split)
        if limit is not None and len(titles) >= limit:
            break
    if not titles:
        raise InputError(
            f"the catalogue {products.artifact.url} has no products in the split {split!r}: choose another --split"
        )
    return _with_unique_uids(titles[:limit])


def of_query(text: str, profile: Profile) -> Title:
    """Return the title of a query, cleaned."""
    return _cleaned(Title("query", text), profile)


def _of_split(table: pa.Table, split: str) -> Iterator[Title]:
    for row in table.select(["uid", "title", "cluster", "split"]).to_pylist():
        if split in (ALL, row["split"]):
            yield Title(row["uid"], row["title"], row["uid"], row["cluster"])


def _from_text(text: str) -> Iterator[Title]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield Title(f"line-{number}", line)


def _from_json_lines(text: str) -> Iterator[Title]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield Title(f"line-{number}", "", error=f"line {number} is not JSON: {line.strip()[:EXCERPT_CHARACTERS]}")
        else:
            yield _from_row(row, number)


def _from_csv(text: str) -> Iterator[Title]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # a long title must not end the whole job
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if "title" not in (rows.fieldnames or ()):
        raise InputError(
            f"the CSV file of titles has the columns {rows.fieldnames}, expected `title` and optionally `uid`"
        )
    for row in rows:
        yield _from_row(row, rows.line_num)


def _from_row(row: Any, number: int) -> Title:
    if not isinstance(row, dict):
        return Title(f"line-{number}", "", error=f"line {number} is no object with a title")
    uid = row.get("uid")
    known = str(uid) if isinstance(uid, str | int) and str(uid).strip() else None
    title = row.get("title")
    if not isinstance(title, str):
        return Title(_storable(known or f"line-{number}"), "", error=f"line {number} has no title that is text")
    return Title(_storable(known or f"line-{number}"), title, known)


def _cleaned(row: Title, profile: Profile) -> Title:
    if row.error is not None:
        return replace(row, error=_storable(row.error))
    if _NOT_UTF_8.search(row.title):
        return replace(row, title=_storable(row.title), error="the title is not UTF-8: save the file as UTF-8")
    if len(row.title) > MAX_CHARACTERS:
        error = f"the title has {len(row.title):,} characters, at most {MAX_CHARACTERS:,}"
        return replace(row, title=_storable(row.title[:EXCERPT_CHARACTERS]), error=error)
    title = cleaning.clean(_storable(row.title), profile)
    if not title:
        return replace(row, title=_storable(row.title.strip()), error="nothing is left of the title when it is cleaned")
    return replace(row, title=title)


def _storable(text: str) -> str:
    """Return the text without the characters that UTF-8 or Postgres cannot store: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", errors="replace").decode()


def _with_unique_uids(titles: list[Title]) -> list[Title]:
    """Return the titles with `#2`, `#3`, ... appended to repeated uids, because a uid identifies one row of a batch."""
    used: set[str] = set()
    unique = []
    for title in titles:
        uid, count = title.uid, 1
        while uid in used:
            count += 1
            uid = f"{title.uid}#{count}"
        used.add(uid)
        unique.append(replace(title, uid=uid))
    return unique
