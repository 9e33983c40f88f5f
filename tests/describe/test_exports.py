"""Export files have the exact text, are reproducible, and contain no formula that a spreadsheet would run."""

import csv
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.describe import exports
from jobs.describe.exports import Description

ROW = Description(
    uid="P1", title='Lamp, 10"', description="A lamp.\nIt shines; ü 灯", flags=("short", "copied"), published=False,
    neighbours=("P2", "P3"), neighbour_similarities=(0.9, 0.5), repetition=0.0, grounding=1.0, copying=0.25, length_words=4,
    ended=True, model_digest="abc", retries=1, error=None, probability=0.25, evidence={"short": {"words": 4}},
)  # fmt: skip
FAILED = Description(uid="P4", title="", model_digest="abc", error="no title")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


def test_a_part_has_three_files_with_the_same_rows(tmp_path: Path) -> None:
    files = exports.files([ROW, FAILED], 7)
    assert list(files) == ["part-00007.jsonl.gz", "part-00007.csv", "part-00007.parquet"]
    lines = [json.loads(line) for line in gzip.decompress(files["part-00007.jsonl.gz"]).decode().split("\n")[:-1]]
    path = tmp_path / "part.parquet"
    path.write_bytes(files["part-00007.parquet"])
    columns = [line | {"evidence": json.dumps(line["evidence"])} for line in lines]
    assert pq.read_table(path).to_pylist() == columns
    assert [exports.from_columns(row) for row in exports.read_columns(path)] == [ROW, FAILED]
    cells = list(csv.DictReader(io.StringIO(files["part-00007.csv"].decode(), newline="")))
    assert cells[0]["description"] == ROW.description
    assert (cells[0]["flags"], cells[0]["published"], cells[0]["ended"]) == ("short; copied", "false", "true")
    assert (cells[1]["error"], cells[1]["repetition"]) == ("no title", "")


def test_the_columns_are_the_fields_of_a_description() -> None:
    assert exports.schema().names == list(vars(ROW))


def test_the_same_rows_give_the_same_bytes() -> None:
    assert exports.files([ROW, FAILED], 0) == exports.files([ROW, FAILED], 0)


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-10 C gloves", "@here", "\t=1", "\r=1"])
def test_a_formula_is_escaped_in_the_csv_only(text: str, tmp_path: Path) -> None:
    row = replace(ROW, uid=text, title=text, description=text, neighbours=(text,))
    [cells] = csv.DictReader(io.StringIO(exports.comma_separated([row]).decode(), newline=""))
    assert all(cells[name] == "'" + text for name in ("uid", "title", "description", "neighbours"))
    (tmp_path / "part.parquet").write_bytes(exports.parquet([row]))
    [stored] = exports.read_columns(tmp_path / "part.parquet")
    assert exports.from_columns(stored) == row
    assert json.loads(gzip.decompress(exports.json_lines([row])))["title"] == text


@given(TEXT, TEXT)
def test_any_text_is_read_back_from_the_csv(title: str, description: str) -> None:
    row = replace(ROW, title=title, description=description)
    [cells] = csv.DictReader(io.StringIO(exports.comma_separated([row]).decode(), newline=""))
    for text, cell in ((title, cells["title"]), (description, cells["description"])):
        assert cell in (text, "'" + text)
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_files_without_rows_have_only_the_csv_header() -> None:
    assert exports.comma_separated([]).decode().count("\r\n") == 1
    assert gzip.decompress(exports.json_lines([])) == b""
