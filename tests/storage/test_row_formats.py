"""Raw rows: every format gives the same rows, and what cannot be read is named with what the file looks like."""

import csv
import io
import json
import tracemalloc
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.process.errors import InputError
from jobs.storage.appearance import appearance
from jobs.storage.chunks import CHUNK_BYTES, rows_of
from jobs.storage.fields import Fields
from jobs.storage.row_formats import read_rows

ROWS = [
    {"uid": "1", "title": 'Café table, 10" wide', "content": "Round;\nof oak | walnut\t."},
    {"uid": "2", "title": "Ламп, 20 °C", "content": 'He said "light".'},
    {"uid": "", "title": "Plain", "content": "Plain text"},
]
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)


@dataclass(frozen=True)
class Read:
    """Rows that were read: for each one its number, and its problem or its value."""

    format: str
    fields: Fields
    outcomes: list[tuple[int, Any]]

    @property
    def values(self) -> list[Any]:
        return [value for _, value in self.outcomes]


def read(data: bytes, chosen: Fields | None = None, max_row_bytes: int = 1 << 20, **options: Any) -> Read:
    stream = io.BytesIO(data)
    with read_rows(stream, "here", chosen or Fields(), max_row_bytes, ("title", "content"), **options) as rows:
        found = (row for chunk in rows.chunks for row in rows_of(chunk))
        outcomes = [(number, problem or orjson.loads(line)) for number, line, problem in found]
        return Read(rows.format, rows.fields, outcomes)


def as_csv(rows: list[dict[str, str]], delimiter: str = ",", end: str = "\r\n") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["uid", "title", "content"], delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_parquet(rows: list[dict[str, Any]], **options: Any) -> bytes:
    return as_parquet_table(pa.Table.from_pylist(rows), **options)


def as_parquet_table(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", [LINES, json.dumps(ROWS, ensure_ascii=False, indent=1), as_csv(ROWS)])
def test_every_encoding_with_a_byte_order_mark_gives_the_same_rows(text: str, codec: str) -> None:
    mark = "\ufeff" if codec.endswith("e") else ""
    assert read((mark + text).encode(codec)).values == ROWS


def test_a_byte_order_mark_on_each_line_or_part_is_ignored() -> None:
    lines = [json.dumps(row) for row in ROWS]
    assert read("".join(f"\ufeff{line}\n" for line in lines).encode()).values == ROWS
    assert read(b"\n".join(line.encode("utf-8-sig") for line in lines)).values == ROWS
    utf_16 = "\n".join(f"\ufeff{line}" for line in lines).encode("utf-16-le")
    assert read(utf_16).values == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_with_any_delimiter_gives_the_same_rows(delimiter: str, end: str) -> None:
    rows = read(as_csv(ROWS, delimiter, end).encode())
    assert rows.format == "CSV"
    assert rows.outcomes == [(2, ROWS[0]), (4, ROWS[1]), (5, ROWS[2])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\r\n\n"])
def test_a_header_that_begins_with_the_delimiter_has_an_unnamed_column(delimiter: str, start: str) -> None:
    records = [("", "uid", "title", "content"), ("0", "A", "Lamp", "Of brass"), ("1", "B", "Desk", "")]
    text = start + "".join(delimiter.join(record) + "\n" for record in records)
    assert read(text.encode()).values == [
        {"uid": "A", "title": "Lamp", "content": "Of brass"},
        {"uid": "B", "title": "Desk", "content": ""},
    ]


def test_spaces_before_the_header_are_not_part_of_its_first_name() -> None:
    assert read(b" sku,title,content\n1,Lamp,Of brass\n", Fields(uid="sku")).values[0]["sku"] == "1"


@pytest.mark.parametrize("row_group_size", [1, 2, 1000])
def test_parquet_gives_the_same_rows(row_group_size: int) -> None:
    rows = read(as_parquet(ROWS, row_group_size=row_group_size))
    assert rows.format == "Parquet"
    assert rows.outcomes == list(enumerate(ROWS, 1))


def test_parquet_columns_of_other_types_are_read() -> None:
    rows: list[dict[str, Any]] = [{"asin": 7, "title": "Lamp", "description": ["One.", "Two."], "price": 3.5}]
    assert read(as_parquet(rows)).values == [{"asin": 7, "title": "Lamp", "description": ["One.", "Two."]}]
    binary = pa.table({"title": pa.array([b"Caf\xe9", b"Lamp"]), "content": pa.array(["a", None]).dictionary_encode()})
    buffer = io.BytesIO()
    pq.write_table(binary, buffer)
    assert read(buffer.getvalue()).values == ["invalid-utf-8", {"title": "Lamp", "content": None}]


@pytest.mark.parametrize("kind", ["string", "list", "large_list", "dictionary", "binary", "list of binary"])
def test_only_the_row_whose_parquet_text_is_not_utf8_is_rejected(kind: str) -> None:
    values = [b"Great pan.", b"b\xffd"]
    texts = pa.array(values, pa.binary())
    unchecked = pa.Array.from_buffers(pa.string(), 2, texts.buffers())
    offsets = pa.array([0, 1, 2], pa.int32())
    column = {
        "string": unchecked,
        "list": pa.ListArray.from_arrays(offsets, unchecked),
        "large_list": pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), unchecked),
        "dictionary": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), unchecked),
        "binary": texts,
        "list of binary": pa.ListArray.from_arrays(offsets, texts),
    }[kind]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"uid": ["1", "2"], "title": ["Pan", "Bed"], "content": column}), buffer)
    good, bad = read(buffer.getvalue()).values
    assert good["content"] == (["Great pan."] if "list" in kind else "Great pan.")
    assert bad == "invalid-utf-8"


@pytest.mark.parametrize("size", [4, 20, 200, -1])
def test_damaged_parquet_is_an_input_error(size: int) -> None:
    with pytest.raises(InputError, match="damaged Parquet"):
        read(as_parquet(ROWS)[:size])


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        ("uid title content", Fields("title", "content", "uid")),
        ("asin title description", Fields("title", "description", "asin")),
        ("parent_asin title features description", Fields("title", "description", "parent_asin")),
        ("uid asin title description content", Fields("title", "content", "uid")),
        ("UID Title Content", Fields("Title", "Content", "UID")),
    ],
)
def test_the_names_of_public_dumps_are_found_in_every_format(names: str, fields: Fields) -> None:
    row = {name: f"the {name}" for name in names.split()}
    for data in (json.dumps(row).encode(), json.dumps([row]).encode(), as_parquet([row])):
        rows = read(data)
        assert rows.fields == fields
        [value] = rows.values
        assert [value[name] for name in (fields.title, fields.content)] == [row[fields.title], row[fields.content]]
    assert read(f"{','.join(row)}\n{','.join(row.values())}\n".encode()).fields == fields


def test_a_chosen_field_is_taken_instead() -> None:
    chosen = Fields("name", "text", "sku")
    for data in (b'{"sku": "1", "name": "n", "text": "t", "title": "x"}', b"sku;name;text;title\n1;n;t;x\n"):
        rows = read(data, chosen)
        assert rows.fields == chosen
        assert {"sku": "1", "name": "n", "text": "t"}.items() <= rows.values[0].items()


def test_a_table_without_the_columns_is_an_input_error_that_lists_them() -> None:
    for data in (as_parquet([{"name": "Lamp", "content": "x"}]), b"name,content\nLamp,x\n"):
        with pytest.raises(InputError, match=r"columns 'name', 'content', expected one named title.*--title-field"):
            read(data, is_csv=True)


OTHER_THAN_CSV = {
    "nothing": (b"", r"here is empty, expected a header and rows"),
    "blank": (b"\xef\xbb\xbf \r\n", r"here is empty"),
    "header": (
        b"uid,title,content\n \n",
        r"only a header, with the columns 'uid', 'title', 'content', expected at least one",
    ),
    "HTML": (b"<!DOCTYPE html>\n<html><title>Sign in</title>", r"not CSV.*looks like an HTML page.*check the address"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", r"not CSV.*git lfs pull"),
    "JSON Lines": (LINES.encode(), r"not CSV.*looks like JSON: give it a name that ends in \.jsonl"),
    "JSON array": (json.dumps(ROWS, indent=1).encode(), r"not CSV.*looks like JSON"),
    "old Mac": (as_csv(ROWS).replace("\r\n", "\r").replace("\n", "\r").encode(), r"not CSV.*line ends LF or CRLF"),
    "UTF-16": (as_csv(ROWS).encode("utf-16-le"), r"not CSV.*save it as UTF-8"),
    "LZ4": (b"\x04\x22\x4d\x18\x64\x40\xa7", r"not CSV.*LZ4: decompress it"),
}


@pytest.mark.parametrize("name", OTHER_THAN_CSV)
def test_a_file_named_as_csv_that_is_none_is_not_searched_for_columns(name: str) -> None:
    data, message = OTHER_THAN_CSV[name]
    with pytest.raises(InputError, match=message) as caught:
        read(data, is_csv=True)
    assert "-field" not in str(caught.value)


def test_parquet_without_rows_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"has no rows, with the columns 'uid', 'title', 'content'"):
        read(as_parquet_table(pa.Table.from_pylist(ROWS)[:0]))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "start", [" ", "\t \t", ",,", ";;", "\ufeff ", "\n \n", "sep={0}", '"sep={0}"\r\n', "\nSEP={0}\n,"]
)
@pytest.mark.parametrize("is_csv", [True, False])
def test_lines_without_text_and_the_one_that_names_the_delimiter_are_before_the_header(
    delimiter: str, start: str, is_csv: bool
) -> None:
    before = start.format(delimiter) + "\n"
    found = read((before + as_csv(ROWS, delimiter, "\n")).encode(), is_csv=is_csv).outcomes
    line = before.count("\n")
    assert found == [(line + 2, ROWS[0]), (line + 4, ROWS[1]), (line + 5, ROWS[2])]


def test_the_delimiter_that_a_file_names_is_taken_before_one_that_gives_more_columns() -> None:
    data = b"sep=;\nuid;title;content;a,b,c,d,e,f\n1;Lamp, red;Of brass;\n"
    assert read(data).values == [{"uid": "1", "title": "Lamp, red", "content": "Of brass"}]


@pytest.mark.parametrize("column", ["uid", "title", "content", "price"])
def test_only_a_repeated_column_that_is_used_is_an_input_error(column: str) -> None:
    names = ["uid", "title", "content", "price", column]
    table = pa.table([[name[0]] for name in names], names=names)
    for data in (f"{','.join(names)}\nu,t,c,p,x\n".encode(), as_parquet_table(table)):
        if column == "price":
            assert read(data).values == [{"uid": "u", "title": "t", "content": "c"}]
            continue
        with pytest.raises(InputError, match=f"several columns named '{column}', expected one.*--{column}-field"):
            read(data)


NO_UID = {"title": "Lamp", "content": "Of brass"}
NO_UID_WARNING = '"event": "rows have no uid: line numbers are used", "remedy": "--uid-field names one"'


def lines_of(*rows: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.mark.parametrize("is_csv", [True, False])
def test_a_table_without_the_chosen_uid_is_an_input_error_that_lists_its_columns(is_csv: bool) -> None:
    for data in (as_parquet(ROWS), as_csv(ROWS).encode()):
        with pytest.raises(InputError, match=r"columns 'uid', 'title', 'content', expected one named sku.*--uid-field"):
            read(data, Fields(uid="sku"), is_csv=is_csv)


@pytest.mark.parametrize("data", [lines_of(*ROWS), json.dumps(ROWS).encode()])
def test_json_without_the_chosen_uid_is_an_input_error_that_lists_its_fields(data: bytes) -> None:
    with pytest.raises(InputError, match=r"fields 'uid', 'title', 'content', expected one named sku.*--uid-field"):
        read(data, Fields(uid="sku"))


def test_the_chosen_uid_is_missed_too_if_only_the_first_rows_are_read() -> None:
    stream = io.BytesIO(lines_of(NO_UID))
    with (
        pytest.raises(InputError, match="expected one named sku"),
        read_rows(stream, "here", Fields(uid="sku"), 1000, ("title",)) as rows,
    ):
        assert rows.format == "JSON Lines"


@pytest.mark.parametrize("name", ["sku", "Größe", "sku/id"])
@pytest.mark.parametrize("read_chunks", [0, 1, 99])
def test_a_chosen_uid_that_only_the_last_row_has_is_enough(name: str, read_chunks: int) -> None:
    last = (
        json.dumps({**NO_UID, name: "1"}).replace("\\u00f6", "\\u00F6").replace("/", "\\/")
    )  # as other writers escape
    data = lines_of(*[NO_UID] * 60_000) + f"\n{last}".encode()
    with read_rows(io.BytesIO(data), "here", Fields(uid=name), 1000, ("title",)) as rows:
        found = sum(1 for _ in islice(rows.chunks, read_chunks))
    assert found == min(read_chunks, len(data) // CHUNK_BYTES + 1)


def test_rows_of_which_python_wrote_some_numbers_as_nan_have_their_fields() -> None:
    line = b'{"asin": "1", "title": "Lamp", "description": "Of brass", "price": NaN}'
    with read_rows(io.BytesIO(line), "here", Fields(), 1000, ("title",)) as rows:
        assert rows.fields == Fields("title", "description", "asin")


@pytest.mark.parametrize(
    "data",
    [lines_of(*[NO_UID] * 9), json.dumps([NO_UID]).encode(), as_parquet([NO_UID]), b"title,content\nLamp,Brass\n"],
)
def test_rows_without_a_uid_are_one_warning(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    read(data)
    assert capsys.readouterr().err.count(NO_UID_WARNING) == 1


@pytest.mark.parametrize(
    "data",
    [lines_of(*[NO_UID] * 200, ROWS[0]), as_parquet(ROWS), as_csv(ROWS).encode(), b"", b"[]", b"<html>", b"[1, 2]"],
)
def test_one_row_with_a_uid_or_no_rows_at_all_are_no_warning(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    read_all(data)
    assert not capsys.readouterr().err


def read_all(data: bytes) -> None:
    with read_rows(io.BytesIO(data), "here", Fields(), 1000, ("title",)) as rows:
        assert sum(1 for _ in rows.chunks) < 2


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ("1,Lamp,Of brass, not of steel\n2,Desk,Oak", {2: "broken-csv", 3: ["2", "Desk", "Oak"]}),
        ("1,Lamp\n2,Desk,Oak", {2: "broken-csv", 3: ["2", "Desk", "Oak"]}),
        ('1,Lamp,"Of brass\n2,Desk,"Oak"\n3,Vase,Blue', {2: "broken-csv", 3: "broken-csv", 4: ["3", "Vase", "Blue"]}),
        ('1,"Best" lamp,Brass\n2,Desk,Oak', {2: "broken-csv", 3: ["2", "Desk", "Oak"]}),
        ('1,Lamp,"never closed\n2,Desk,Oak\n', {2: "broken-csv", 3: "broken-csv"}),
        ('\n1,"two\nlines",Brass,,\n\n2,Desk,Oak', {3: ["1", "two\nlines", "Brass"], 6: ["2", "Desk", "Oak"]}),
        (f"1,Lamp,{'x' * 5000}\n2,Desk,Oak", {2: "too-long", 3: ["2", "Desk", "Oak"]}),
        (f'1,Lamp,"{"x y " * 5000}\n2,Desk,Oak', {2: "too-long", 3: ["2", "Desk", "Oak"]}),
        (
            "1,Lamp,5\u2033\u2028wide\x0c\n2,Desk,Oak",
            {2: ["1", "Lamp", "5\u2033\u2028wide\x0c"], 3: ["2", "Desk", "Oak"]},
        ),
    ],
)
def test_no_line_of_a_broken_csv_file_is_lost(records: str, expected: dict[int, Any]) -> None:
    found = read(f"uid,title,content\n{records}".encode(), max_row_bytes=1000).outcomes
    columns = ("uid", "title", "content")
    assert {
        number: value if isinstance(value, str) else [value[name] for name in columns] for number, value in found
    } == expected


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ('1\t"Best lamp\tOf brass\n2\tLamp, 10"\tOak\n3\tDesk\tOak', ["broken-csv", "broken-csv", "3"]),
        ('1\tLamp\t"Best brass\n2\tDesk\t10"\n3\tDesk\tOak', ["broken-csv", "broken-csv", "3"]),
        ('1\tLamp\t"Made of:\n\tbrass\n\tsteel"\n3\tDesk\t"Oak,\n\nred"', ["1", "3"]),
        ('1\t"Lamp,\n5 W"\tBrass\n3\tDesk\tOak', ["1", "3"]),
    ],
)
def test_quotes_of_a_table_with_tabs_join_no_rows(records: str, expected: list[str]) -> None:
    values = read(f"uid\ttitle\tcontent\n{records}\n".encode()).values
    assert [value if isinstance(value, str) else value["uid"] for value in values] == expected


def test_csv_that_is_not_utf_8_is_rejected_row_by_row() -> None:
    assert read("uid,title,content\n1,Café,x\n2,Lamp,y\n".encode("cp1252")).values == [
        "invalid-utf-8",
        {"uid": "2", "title": "Lamp", "content": "y"},
    ]


def test_a_row_that_is_not_utf_8_is_shown_as_it_is_in_the_file() -> None:
    data = 'content,title,uid,price\n"a ""b""\nc",Café,1,9\n'.encode("cp1252")
    parquet = as_parquet_table(pa.table({"title": [b"Caf\xe9"], "content": ["x"]}))
    expected = [b'"a ""b"" c",Caf\xe9,1,9', b'{"title": "Caf\xe9", "content": "x"}']
    for text, line in zip((data, parquet), expected, strict=True):
        with read_rows(io.BytesIO(text), "here", Fields(), 1000, ("title",)) as rows:
            [chunk] = rows.chunks
        [(_, shown, problem)] = rows_of(chunk)
        assert (shown, problem) == (line, "invalid-utf-8")
        assert b'"title": "Caf\xe9"' in chunk.undecoded[0]


TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=20), st.sampled_from(",;\t|"))
def test_any_text_survives_csv(records: list[tuple[str, str, str]], delimiter: str) -> None:
    rows = [dict(zip(("uid", "title", "content"), record, strict=True)) for record in records]
    assert read(as_csv(rows, delimiter).encode()).values == rows


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=3, max_size=20), st.sampled_from(",;\t|"))
def test_quotes_escaped_by_a_backslash_are_read(records: list[tuple[str, str, str]], delimiter: str) -> None:
    records = [('12" \\ steel', 'Of brass, 5" wide', 'said "so"'), *records]
    rows = [dict(zip(("uid", "title", "content"), record, strict=True)) for record in records]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, escapechar="\\", doublequote=False, quoting=csv.QUOTE_ALL)
    writer.writerow(("uid", "title", "content"))
    writer.writerows(row.values() for row in rows)
    assert read(text.getvalue().encode()).values == rows


def test_a_backslash_before_the_end_of_a_field_is_a_backslash() -> None:
    text = 'uid,title,content\n1,"Folder C:\\","Of ""steel"", 5\\"" wide"\n2,Lamp,Brass\n'
    assert read(text.encode()).values == [
        {"uid": "1", "title": "Folder C:\\", "content": 'Of "steel", 5\\" wide'},
        {"uid": "2", "title": "Lamp", "content": "Brass"},
    ]


class Repeated:
    """A stream of many equal rows that does not hold them."""

    def __init__(self, header: bytes, row: bytes, size: int) -> None:
        self._buffer, self._row, self._rest = header, row, size

    def read(self, size: int, /) -> bytes:
        if len(self._buffer) < size and self._rest > 0:
            more = self._row * (size // len(self._row) + 1)
            self._buffer, self._rest = self._buffer + more, self._rest - len(more)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (b"", b'{"uid": "1", "title": "Lamp", "content": "Of brass"}\n'),
        (b"uid,title,content\n", b'1,Lamp,"Of brass\nand steel"\n'),
        (b"uid,title,content\n", b'1,"Lamp,Of brass and steel,\n'),
    ],
)
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_rows(header: bytes, row: bytes) -> None:
    peaks = []
    for size in (4_000_000, 8_000_000):
        tracemalloc.start()
        stream = Repeated(header, row, size)
        with read_rows(stream, "here", Fields(), 1 << 16, ("title", "content")) as rows:
            found = sum(1 for chunk in rows.chunks for _ in rows_of(chunk))
        assert found >= size // len(row)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (LINES.replace("}", "},").encode(), "trailing comma"),
        (LINES.replace("\n", "").encode(), "several JSON objects on one line"),
        ("\n".join(json.dumps(row, indent=2) for row in ROWS).encode(), "objects over several lines"),
        (json.dumps({"products": ROWS}).encode(), "rows in 'products'"),
        ("\n".join(map(str, ROWS)).encode(), "Python literals"),
        (LINES.encode("cp1251", errors="replace"), "Latin-1"),
        (LINES.encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (LINES.encode("utf-32-be"), "UTF-32 without a byte order mark"),
        (b"name,text,price\nLamp,Of brass,3\nDesk,Of oak,4\n", "CSV with the columns 'name', 'text', 'price'"),
        (b"\n<!DOCTYPE HTML><html><body>404</body></html>", "HTML page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
        (LINES.replace("\n", "\r").encode(), "CR only"),
        (b"\x1f\x9d\x90", ".Z"),
        (b"]\x00\x00\x80\x00\xff", "LZMA"),
        (b"7z\xbc\xaf\x27\x1c\x00", "7z"),
        (b"rows.jsonl" + bytes(247) + b"ustar\x00", "tar"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_a_file_of_another_kind_is_named_with_a_remedy(data: bytes, expected: str) -> None:
    assert expected in (appearance(data) or "")


@given(st.binary(max_size=300))
def test_any_bytes_look_like_something_or_nothing(data: bytes) -> None:
    assert appearance(data) != ""
