"""The labels of a filled-in audit.csv: what is read, and which rows are refused."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from jobs.audit import labels, worksheet
from jobs.audit.labels import KnownText, Label
from jobs.audit.worksheet import COLUMNS, AuditRow
from jobs.process.errors import InputError
from tests.audit.batches import HOSTILE

Cells = dict[str, str]
BATCH_ROWS = 100
ROWS = [
    AuditRow(
        "main", f"P{number}", f"Title {number}", f"Text {number}.\nNext line.", (), True, (), {}, 0.9, "published", 90, f"{number}" * 64
    )
    for number in range(1, 4)
]  # fmt: skip


def filled(change: Callable[[Cells], Cells], rows: list[AuditRow] = ROWS, delimiter: str = ",") -> bytes:
    """Return the file of the rows with changed cells."""
    drawn = csv.DictReader(io.StringIO(worksheet.write(rows).decode("utf-8-sig"), newline=""))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(row | change(row) for row in drawn)
    return out.getvalue().encode()


def only_first(**cells: str) -> Callable[[Cells], Cells]:
    return lambda row: cells if row["uid"] == "P1" else {}


def checked(data: bytes, rows: list[AuditRow] = ROWS) -> list[Label]:
    known = [KnownText(row.uid, row.title, row.description, row.text_digest) for row in rows]
    read = labels.read(data, "audit.csv")
    wanted = set(labels.uids_of(read))
    return labels.check(read, [text for text in known if text.uid in wanted], BATCH_ROWS, "audit.csv")


def test_a_label_has_the_text_the_note_and_the_stratum_of_its_row() -> None:
    [label] = checked(filled(only_first(label="wrong", note="'=SUM(1)", auditor="Ada")))
    assert label == Label("main", "P1", "1" * 64, "wrong", "=SUM(1)", "Ada", "published", 90)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", "maybe", "the label is 'maybe', expected right or wrong"),
        ("uid", "P999999", "the batch has no uid 'P999999'"),
        ("description", "A better text.", "the description of 'P2' was changed"),
        ("title", "Another title", "the title of 'P2' was changed"),
        ("text_digest", "0" * 64, "the batch has another text for 'P2'"),
        ("stratum", " ", "stratum and stratum_rows were changed"),
        ("stratum", "another", "stratum and stratum_rows were changed"),
        ("stratum_rows", "101", "stratum and stratum_rows were changed"),
        ("stratum_rows", "9" * 5000, "stratum and stratum_rows were changed"),
        ("stratum_rows", "many", "stratum and stratum_rows were changed"),
        ("stratum_rows", "0", "stratum and stratum_rows were changed"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(column: str, value: str, message: str) -> None:
    """Each text has two lines, so the second row begins at line 4."""
    data = filled(lambda row: {"label": "right"} | ({column: value} if row["uid"] == "P2" else {}))
    with pytest.raises(InputError, match=f"line 4: {message}"):
        checked(data)


def test_every_row_that_cannot_be_used_is_named() -> None:
    with pytest.raises(InputError, match=r"line 2: .*; line 4: .*; line 6: "):
        checked(filled(lambda row: {"label": "ok"}))
    many = [replace(ROWS[0], uid=f"P{number}") for number in range(50)]
    with pytest.raises(InputError, match="and 40 more"):
        checked(filled(lambda row: {"label": "ok"}, many), many)


def test_two_labels_of_one_text_in_a_file_are_refused() -> None:
    twice = [ROWS[0], ROWS[0]]
    assert len(checked(filled(lambda row: {"label": "right"}, twice))) == 1
    given = iter(("right", "wrong"))
    with pytest.raises(InputError, match="line 4: the uid 'P1' has another label"):
        checked(filled(lambda row: {"label": next(given)}, twice))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no column batch"),
        (b"uid,label\r\nP000000,right\r\n", "no column batch, title"),
        (b"\xff\xfe", "not UTF-8"),
        (",".join(COLUMNS).encode() + b"\r\n\r\nmain,P1\r\n", "line 3: expected 15 cells, found 2"),
        (",".join(COLUMNS).encode() + b'\r\nmain,"P1\r\n', "line 2"),
    ],
)
def test_a_file_that_audit_did_not_write_is_bad_input(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        labels.read(data, "audit.csv")


def test_a_file_without_labels_is_bad_input() -> None:
    with pytest.raises(InputError, match="no labels"):
        checked(worksheet.write(ROWS))


def test_a_file_has_rows_of_one_batch() -> None:
    assert labels.batch_of(labels.read(worksheet.write(ROWS), "audit.csv"), "audit.csv") == "main"
    with pytest.raises(InputError, match="no rows"):
        labels.batch_of(labels.read(worksheet.write([]), "audit.csv"), "audit.csv")
    with pytest.raises(InputError, match=r"'other' \(line 2\), 'main' \(line 4\)"):
        labels.batch_of(labels.read(filled(only_first(batch="other")), "audit.csv"), "audit.csv")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_spreadsheet_may_change_delimiter_line_ends_and_case(delimiter: str) -> None:
    data = filled(only_first(label=" Right "), delimiter=delimiter).replace(b"\r\n", b"\n")
    assert [(label.uid, label.label) for label in checked(data)] == [("P1", "right")]


def test_a_very_long_text_is_read_back() -> None:
    rows = [replace(ROWS[0], description="word " * 40_000)]
    assert len(checked(filled(lambda row: {"label": "wrong"}, rows), rows)) == 1


@pytest.mark.parametrize("uid", ["=1+1", "'=1+1", "'quoted", "a,b\nc", "00123", " P1"])
def test_any_uid_and_text_are_read_back(uid: str) -> None:
    rows = [replace(ROWS[0], uid=uid, title=f"-{HOSTILE}", description=f"={HOSTILE}\r\nNext.")]
    data = filled(lambda row: {"label": "wrong"}, rows)
    cells = next(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert not [cell for cell in cells.values() if cell.startswith(("=", "-"))]
    assert [label.uid for label in checked(data, rows)] == [uid]
