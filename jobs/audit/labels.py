"""The labels in a filled-in audit.csv, each checked against the text that the batch has now."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobs.audit.drawing import NO_REASON, PUBLISHED
from jobs.audit.worksheet import COLUMNS
from jobs.process.errors import InputError
from jobs.quality.checks import REASONS
from jobs.text.spreadsheet import escaped

RIGHT, WRONG = "right", "wrong"
DELIMITERS = ",;\t"
"""Spreadsheets write the delimiter of their language."""
NEEDED = ("batch", "uid", "title", "description", "label", "stratum", "stratum_rows", "text_digest")
MAX_NAMED = 10
MAX_DIGITS = 18
MAX_CELL_CHARACTERS = 10_000_000
STRATA = frozenset({PUBLISHED, NO_REASON, *REASONS})


@dataclass(frozen=True)
class FilledRow:
    """A row with a label or without, and the line of the file at which it begins."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class KnownText:
    """A text that the batch has."""

    uid: str
    title: str
    description: str
    digest: str


@dataclass(frozen=True)
class Label:
    """What a person says about a text: `right` or `wrong`, with a note. Stratum as in `jobs.audit.drawing.Drawn`."""

    batch: str
    uid: str
    text_digest: str
    label: str
    note: str
    auditor: str
    stratum: str
    stratum_rows: int


def read(data: bytes, name: str) -> list[FilledRow]:
    """Return the rows of a file. Errors: `InputError` (65) if it is not the CSV file that `audit` wrote."""
    try:
        text = data.decode("utf-8-sig").replace("\0", "")  # Postgres cannot store NUL
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 (byte {error.start:,}): save it as CSV in UTF-8, or label in audit.html"
        ) from error
    delimiter = next((mark for mark in DELIMITERS if mark in text.partition("\n")[0]), ",")
    return list(_rows(io.StringIO(text, newline=""), delimiter, name))


def _rows(lines: Iterable[str], delimiter: str, name: str) -> Iterator[FilledRow]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)  # the default is 131,072, which the texts of the neighbours can exceed
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _require_columns(header, name)
        line = reader.line_num + 1
        for cells in reader:
            if any(cells):
                if len(cells) < len(header):
                    raise InputError(f"{name}, line {line}: expected {len(header)} cells, found {len(cells)}")
                yield FilledRow(line, dict(zip(header, cells, strict=False)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: {error}. Expected CSV as `audit` wrote it") from error


def _require_columns(header: Sequence[str], name: str) -> None:
    missing = [column for column in NEEDED if column not in header]
    if missing:
        raise InputError(
            f"{name} has no column {', '.join(missing)}: expected the columns of audit.csv ({', '.join(COLUMNS)})"
        )


def batch_of(rows: Sequence[FilledRow], name: str) -> str:
    """Return the batch of the rows. Errors: `InputError` (65) if they have none, or several."""
    batches = {row.cells["batch"].strip(): row.line for row in reversed(rows)}
    if not batches:
        raise InputError(f"{name} has no rows: expected the rows of audit.csv with labels")
    if len(batches) > 1:
        found = ", ".join(f"{batch!r} (line {line})" for batch, line in reversed(batches.items()))
        raise InputError(f"{name} has rows of {len(batches)} batches, {found}: expected one batch per file")
    return next(iter(batches))


def uids_of(rows: Sequence[FilledRow]) -> list[str]:
    """Return the uids that the rows may mean: a uid that a spreadsheet would run as a formula has `'` in front."""
    uids = {row.cells["uid"] for row in rows}
    return sorted(uids | {uid[1:] for uid in uids if uid.startswith("'")})


def check(rows: Sequence[FilledRow], known: Sequence[KnownText], batch_rows: int, name: str) -> list[Label]:
    """Return the labels. A row without a label is left out. `known`: texts of the batch, which has `batch_rows` texts.

    Errors: `InputError` (65) naming the line of each row whose label cannot be used, or if no row has a label.
    """
    texts = {escaped(text.uid): text for text in known}
    labels: dict[str, Label] = {}
    problems: list[str] = []
    for row in rows:
        if not row.cells["label"].strip():
            continue
        problem = _problem(row.cells, texts, batch_rows)
        if problem is None:
            label = _label(row.cells, texts[row.cells["uid"]])
            if labels.setdefault(label.uid, label).label == label.label:
                continue
            problem = f"the uid {label.uid!r} has another label in an earlier line"
        problems.append(f"line {row.line}: {problem}")
    if problems:
        more = f"; and {len(problems) - MAX_NAMED:,} more" if len(problems) > MAX_NAMED else ""
        raise InputError(f"{name}: {'; '.join(problems[:MAX_NAMED])}{more}. No label was stored")
    if not labels:
        raise InputError(f"{name} has no labels: expected {RIGHT} or {WRONG} in the column label")
    return list(labels.values())


def _problem(cells: Mapping[str, str], texts: Mapping[str, KnownText], batch_rows: int) -> str | None:
    """Return why a label cannot be used, or None."""
    if cells["label"].strip().lower() not in (RIGHT, WRONG):
        return f"the label is {cells['label'][:40]!r}, expected {RIGHT} or {WRONG}, or nothing"
    text = texts.get(cells["uid"])
    if text is None:
        return (
            f"the batch has no uid {cells['uid'][:40]!r}: a spreadsheet may have changed it, import the column as text"
        )
    if cells["text_digest"].strip() != text.digest:
        return f"the batch has another text for {text.uid!r} than when the sample was drawn: draw a new one"
    for column, stored in (("title", text.title), ("description", text.description)):
        if cells[column].split() != escaped(stored).split():
            return f"the {column} of {text.uid!r} was changed in the file: a label is about the text of the batch"
    stratum, stratum_rows = cells["stratum"].strip(), cells["stratum_rows"].strip()
    is_count = stratum_rows.isdecimal() and len(stratum_rows) <= MAX_DIGITS and 0 < int(stratum_rows) <= batch_rows
    if stratum not in STRATA or not is_count:
        return f"stratum and stratum_rows were changed: expected those of audit.csv, found {stratum[:40]!r} and {stratum_rows[:40]!r}"
    return None


def _label(cells: Mapping[str, str], text: KnownText) -> Label:
    return Label(
        batch=cells["batch"].strip(),
        uid=text.uid,
        text_digest=text.digest,
        label=cells["label"].strip().lower(),
        note=_without_escape(cells.get("note", "")),
        auditor=_without_escape(cells.get("auditor", "")),
        stratum=cells["stratum"].strip(),
        stratum_rows=int(cells["stratum_rows"]),
    )


def _without_escape(text: str) -> str:
    """Return a typed text without the `'` of `escaped()`."""
    text = text.strip()
    return text[1:] if text[:1] == "'" and escaped(text[1:]) == text else text
