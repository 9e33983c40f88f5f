"""The titles that descriptions are written for: from a file, or from a catalogue.

A file is text with a title a line, JSON Lines with `title` and perhaps `uid`, or CSV with such columns; gzipped or not; a path,
http(s):// or s3://. Titles are cleaned as the catalogue's were. A row that cannot be used keeps its place, with its error.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process.errors import ConfigurationError, InputError
from jobs.process.settings import without_secrets
from jobs.storage.catalogue import Catalogue, Title
from jobs.text import cleaning
from jobs.text.cleaning import Profile

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".txt", ".jsonl", ".csv")
ALL = "all"
MAX_CHARACTERS = 2_000
_SHOWN_CHARACTERS = 200
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of such bytes


@dataclass(frozen=True)
class TitleFile:
    """The bytes of a file of titles. `ending` says how to read them; `digest` is their SHA-256."""

    address: str
    ending: str
    data: bytes

    @property
    def digest(self) -> str:
        """What identifies the titles."""
        return hashlib.sha256(self.data).hexdigest()


def fetch(address: str) -> TitleFile:
    """A file of titles. Errors: `ConfigurationError` (78) for another ending or no such file, 75 when out of reach."""
    from jobs.storage import sources

    name = without_secrets(address).lower().removesuffix(".gz")
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), None)
    if ending is None:
        raise ConfigurationError(
            f"--titles {without_secrets(address)}: expected a file that ends in {', '.join(ENDINGS)}"
        )
    with sources.opened(address, "--titles (SKUSCRIBE_TITLES)") as source:
        stream = sources.uncompressed(source)
        data = b"".join(iter(lambda: stream.read(sources.READ_BYTES), b""))
    return TitleFile(source.address, ending, data)


def from_file(file: TitleFile, profile: Profile, limit: int | None) -> list[Title]:
    """The titles of a file in its order, `limit` at most. Errors: `InputError` (65) where there is none."""
    text = file.data.decode("utf-8-sig", errors="surrogateescape")
    readers = {".txt": _from_text, ".jsonl": _from_json_lines, ".csv": _from_csv}
    found: list[Title] = []
    for row in readers[file.ending](text):
        if limit is not None and len(found) >= limit:
            break
        found.append(_cleaned(row, profile))
    if not found:
        raise InputError(f"{file.address} has no titles: expected one a line, or rows with a `title`")
    return _with_unique_uids(found)


def from_catalogue(products: Catalogue, split: str, limit: int | None, folder: Path) -> list[Title]:
    """The titles of a split in the catalogue's order, `limit` at most; `all` is every product."""
    found: list[Title] = []
    for name in products.files():
        table = products.read_file(name, folder)
        (folder / name).unlink()
        found += _of_split(table, split)
        if limit is not None and len(found) >= limit:
            break
    if not found:
        raise InputError(
            f"the catalogue {products.artifact.path} has no products in its split {split!r}: name another --split"
        )
    return _with_unique_uids(found[:limit])


def of_query(text: str, profile: Profile) -> Title:
    """The title of one question."""
    return _cleaned(Title("query", text), profile)


def _of_split(table: "pa.Table", split: str) -> Iterator[Title]:
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
            yield Title(f"line-{number}", "", error=f"line {number} is not JSON: {line.strip()[:_SHOWN_CHARACTERS]}")
        else:
            yield _from_row(row, number)


def _from_csv(text: str) -> Iterator[Title]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # a long title is a failed row, not the end
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if "title" not in (rows.fieldnames or ()):
        raise InputError(
            f"the CSV file of titles has the columns {rows.fieldnames}, expected `title` and perhaps `uid`"
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
        return Title(_harmless(known or f"line-{number}"), "", error=f"line {number} has no title that is text")
    return Title(_harmless(known or f"line-{number}"), title, known)


def _cleaned(row: Title, profile: Profile) -> Title:
    if row.error is not None:
        return replace(row, error=_harmless(row.error))
    if _NOT_UTF_8.search(row.title):
        return replace(row, title=_harmless(row.title), error="the title is not UTF-8: save the file as UTF-8")
    if len(row.title) > MAX_CHARACTERS:
        shown = _harmless(row.title[:_SHOWN_CHARACTERS])
        return replace(
            row, title=shown, error=f"the title has {len(row.title):,} characters, at most {MAX_CHARACTERS:,}"
        )
    title = cleaning.clean(_harmless(row.title), profile)
    if not title:
        return replace(row, title=_harmless(row.title.strip()), error="nothing is left of the title when it is cleaned")
    return replace(row, title=title)


def _harmless(text: str) -> str:
    """The text as UTF-8 and Postgres can hold it: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\ufffd").encode("utf-8", errors="replace").decode()


def _with_unique_uids(found: list[Title]) -> list[Title]:
    """The second row with a uid gets `#2` after it, for a uid names one row of a batch."""
    taken: set[str] = set()
    unique = []
    for row in found:
        uid, count = row.uid, 1
        while uid in taken:
            count += 1
            uid = f"{row.uid}#{count}"
        taken.add(uid)
        unique.append(replace(row, uid=uid))
    return unique
