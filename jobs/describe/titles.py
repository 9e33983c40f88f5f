"""The titles to describe, from a file or from the catalogue.

A file is text with a title per line, or has rows with `title` and optionally `uid`: JSON Lines, a JSON array, CSV or Parquet.
A file named .txt may be a table with a header too: Excel saves "Unicode Text" under such a name.
It may be compressed, and its address is a path, http(s):// or s3://. Titles are cleaned with the profile of the catalogue.

A row without a usable title or uid is kept, with its error. The texts of these errors are persisted in the exports: a change
changes the digest of every batch that has such a row.
"""

import hashlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.process import log
from jobs.process.errors import ConfigurationError, InputError
from jobs.process.secrets import without_secrets
from jobs.storage import sources
from jobs.storage.appearance import appearance, other_than_plain_text
from jobs.storage.catalogue import MAX_TITLE_CHARACTERS, Catalogue, Title
from jobs.storage.chunks import rows_of
from jobs.storage.compression import uncompressed
from jobs.storage.csv_rows import csv_header
from jobs.storage.encoding import as_utf_8
from jobs.storage.fields import DEFAULT_FIELDS, Fields, find_fields, uid_of
from jobs.storage.row_formats import RawRows, read_rows, shown_names
from jobs.text import cleaning
from jobs.text.cleaning import Profile

SUFFIXES = (".txt", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
ALL = "all"
EXCERPT_CHARACTERS = 200
MAX_ROW_BYTES = 1 << 24
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")  # `surrogateescape` decodes invalid bytes to these


@dataclass(frozen=True)
class TitleFile:
    """The content of a file of titles. `suffix` is one of `SUFFIXES`, or empty: the content then shows which rows it has."""

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
    name = sources.name_of(address)
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")
    if not suffix and not _may_be_anything(address, name):
        raise ConfigurationError(
            f"--titles {without_secrets(address)}: expected a file name that ends in {', '.join(SUFFIXES)}, optionally "
            f"followed by {', '.join(sources.COMPRESSED_SUFFIXES)}, or a name without a suffix"
        )
    with sources.opened(address, "--titles (SKUSCRIBE_TITLES)") as source, uncompressed(source) as stream:
        data = sources.read_all(stream)
    return TitleFile(source.address, suffix, data)


def _may_be_anything(address: str, name: str) -> bool:
    """Return whether the name of a file says nothing about its format, such as one without a suffix or the page of a server."""
    is_page = "://" in name and not name.startswith("s3://")
    return is_page or sources.is_compressed(address) or "." not in name.rpartition("/")[2]


def from_file(file: TitleFile, profile: Profile, limit: int | None, chosen: Fields | None = None) -> list[Title]:
    """Return the titles of a file in its order, at most `limit`. `chosen` has the names of fields that the user gave.

    Errors: `InputError` (65) if there are none, none of them can be used, or a chosen field does not exist.
    """
    chosen = chosen or Fields()
    if file.suffix == ".txt":
        text = sources.read_all(as_utf_8(io.BytesIO(file.data)))
        if not _is_table(text, chosen):
            return _usable(
                _lines(text, file.address, limit), profile, file.address, "one title per line", appearance(text)
            )
    with read_rows(
        io.BytesIO(file.data),
        file.address,
        chosen,
        MAX_ROW_BYTES,
        ("title",),
        is_csv=file.suffix in (".txt", ".csv", ".tsv"),
    ) as rows:
        if (rows.fields.title, rows.fields.uid) != (DEFAULT_FIELDS.title, DEFAULT_FIELDS.uid):
            log.info("fields", format=rows.format, title=rows.fields.title, uid=rows.fields.uid)
        looks = rows.appearance()
        return _usable(
            list(islice(_from_rows(rows), limit)), profile, file.address, _expected(rows, file.suffix), looks
        )


def _is_table(text: bytes, chosen: Fields) -> bool:
    """Return whether a text begins with the header of a table and not with a title: it names titles, and uids or columns with tabs."""
    header = csv_header(text)
    fields = find_fields(chosen, header.names)
    return fields.title in header.names and (fields.uid in header.names or header.delimiter == "\t")


def _lines(text: bytes, address: str, limit: int | None) -> list[tuple[Title, bool]]:
    """Return the title of each line, at most `limit`. Errors: `InputError` (65) if the text is something else that is recognised."""
    if looks := other_than_plain_text(text):
        raise InputError(f"{address} is not text with one title per line, as its name says. It looks like {looks}")
    return list(islice(_from_text(text), limit))


def _usable(
    read: list[tuple[Title, bool]], profile: Profile, address: str, expected: str, looks: str | None
) -> list[Title]:
    """Return the titles cleaned, with unique uids. `read`: each title, and whether its row is readable.

    Errors: `InputError` (65) if there are none, or too few of them can be used.
    """
    titles = [_cleaned(row, profile) for row, _ in read]
    if not titles:
        raise InputError(f"{address} has no titles: expected one title per line, or rows with a `title`")
    _check_usable(titles, sum(not is_readable for _, is_readable in read), address, expected, looks)
    return _with_unique_uids(titles)


def _expected(rows: RawRows, suffix: str) -> str:
    or_text = "" if suffix else "; one title per line needs a file name that ends in .txt"
    return (
        f"rows with a `{rows.fields.title}` that is text (--title-field names another), found the fields "
        f"{shown_names(rows.names)}{or_text}"
    )


def _check_usable(titles: list[Title], unreadable: int, address: str, expected: str, looks: str | None) -> None:
    """Errors: `InputError` (65) if no title can be used, or most rows are unreadable. Else it is a warning: a row with its error."""
    failed = [title for title in titles if title.error is not None]
    if len(failed) == len(titles) or 2 * unreadable > len(titles):
        hint = f". It looks like {looks}" if looks else ""
        raise InputError(
            f"{address}: {len(failed):,} of {len(titles):,} titles cannot be used ({failed[0].uid}: {failed[0].error}): expected {expected}{hint}"
        )
    if failed:
        log.warning(
            "titles that cannot be used",
            failed=len(failed),
            titles=len(titles),
            uid=failed[0].uid,
            error=failed[0].error,
        )


def from_catalogue(products: Catalogue, split: str, limit: int | None, folder: Path) -> list[Title]:
    """Return the titles of a split in the catalogue's order, at most `limit`; the split `all` is every product.

    Errors: `InputError` (65) if there are none.
    """
    titles: list[Title] = []
    for name in products.files() if split == ALL else products.files_of(split):
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


def _from_text(data: bytes) -> Iterator[tuple[Title, bool]]:
    text = data.decode("utf-8-sig", errors="surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):  # `splitlines` would also split at a form feed and others
        if line.strip():
            yield Title(f"line-{number}", line.removesuffix("\r")), True


def _from_rows(rows: RawRows) -> Iterator[tuple[Title, bool]]:
    """Yield the title of each row, and whether the row is readable."""
    for chunk in rows.chunks:
        for number, line, problem in rows_of(chunk):
            line = chunk.undecoded.get(number - chunk.first_row, line)
            text = line.decode(errors="surrogateescape")
            if problem in ("too-long", "broken-csv"):
                found = "is too long" if problem == "too-long" else "is no CSV record with the columns of the header"
                yield Title(f"line-{number}", "", error=f"line {number} {found}: {text[:EXCERPT_CHARACTERS]}"), False
                continue
            try:
                row = json.loads(text, strict=False)  # accepts control characters, as `prepare` does
            except (ValueError, RecursionError):
                error = f"line {number} is not JSON: {text.strip()[:EXCERPT_CHARACTERS]}"
                yield Title(f"line-{number}", "", error=error), False
            else:
                yield _from_row(row, number, rows.fields), True


def _from_row(row: Any, number: int, fields: Fields) -> Title:
    if not isinstance(row, dict):
        return Title(f"line-{number}", "", error=f"line {number} is no object with a title")
    try:
        known = uid_of(row.get(fields.uid))
    except ValueError as error:
        return Title(f"line-{number}", "", error=f"line {number} has a uid that {error}")
    title = row.get(fields.title)
    if not isinstance(title, str):
        return Title(known or f"line-{number}", "", error=f"line {number} has no title that is text")
    return Title(known or f"line-{number}", title, known)


def _cleaned(row: Title, profile: Profile) -> Title:
    if row.error is not None:
        return replace(row, error=_storable(row.error))
    if _NOT_UTF_8.search(row.title):
        return replace(row, title=_storable(row.title), error="the title is not UTF-8: save the file as UTF-8")
    if len(row.title) > MAX_TITLE_CHARACTERS:
        error = f"the title has {len(row.title):,} characters, at most {MAX_TITLE_CHARACTERS:,}"
        return replace(row, title=_storable(row.title[:EXCERPT_CHARACTERS]), error=error)
    title = cleaning.clean(_storable(row.title), profile)
    if not title:
        return replace(row, title=_storable(row.title.strip()), error="nothing is left of the title when it is cleaned")
    return replace(row, title=title)


def _storable(text: str) -> str:
    """Return the text without the characters that UTF-8 or Postgres cannot store: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", errors="replace").decode()


def _with_unique_uids(titles: list[Title]) -> list[Title]:
    """Return the titles with `#2`, `#3`, ... appended to repeated uids, because a uid identifies one row of a batch.

    The first row with a uid keeps it, one that states it before one that is named after its line.
    """
    owners: dict[str, Title] = {}
    for title in titles:
        owner = owners.setdefault(title.uid, title)
        if owner.known_uid is None and title.known_uid is not None:
            owners[title.uid] = title
    numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(2))
    used, unique = set(owners), []
    for title in titles:
        uid = title.uid
        if title is not owners[uid]:
            uid = next(name for number in numbers[uid] if (name := f"{title.uid}#{number}") not in used)
            used.add(uid)
        unique.append(replace(title, uid=uid))
    if numbers:
        log.warning(
            "rows with the uid of another row renamed",
            renamed=len(titles) - len(owners),
            titles=len(titles),
            uid=next(iter(numbers)),
            remedy="--uid-field names the field that is different for each product",
        )
    return unique
