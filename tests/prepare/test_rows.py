"""Raw rows: whatever the bytes, every row is read once, and is parsed or rejected with a reason."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.prepare.rows import ProductRow, Reject, parse_rows
from jobs.process.errors import InputError
from jobs.storage import chunks
from jobs.storage.fields import Fields
from jobs.storage.row_formats import read_rows

GOOD = {"uid": "1", "title": "A title", "content": "A content"}


class Pieces:
    """A stream that returns at most `size` bytes at a time, as a network does."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file, self._size = io.BytesIO(data), size

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._size))


def read(data: bytes, piece: int = 1 << 20, max_row_bytes: int = 1000) -> list[ProductRow | Reject]:
    with read_rows(Pieces(data, piece), "here", Fields(), max_row_bytes, ("title", "content")) as rows:
        return [row for chunk in rows.chunks for row in parse_rows(chunk, rows.fields, max_row_bytes)]


def outcome(row: ProductRow | Reject) -> tuple[int, str]:
    return row.row, row.uid if isinstance(row, ProductRow) else row.reason


def one(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return outcome(read(data + b"\n")[0])[1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GOOD, "1"),
        ({**GOOD, "uid": 17}, "17"),
        ({"title": "A", "content": "B", "target_ind": [1, 2]}, "line-1"),
        ({**GOOD, "uid": None}, "line-1"),
        ({**GOOD, "uid": ""}, "line-1"),
        ({**GOOD, "uid": " "}, "line-1"),
        ({**GOOD, "uid": 101.0}, "101"),
        (b'{"uid": NaN, "title": "t", "content": "c"}', "line-1"),
        ({**GOOD, "uid": 1.5}, "uid-not-text"),
        (b'{"uid": Infinity, "title": "t", "content": "c"}', "uid-not-text"),
        ({**GOOD, "uid": 10**30}, "1" + "0" * 30),  # orjson reads it as a float, which has lost digits
        (b'{"uid": 1e30, "title": "t", "content": "c"}', "uid-not-text"),
        ({**GOOD, "uid": True}, "uid-not-text"),
        ({**GOOD, "uid": ["1"]}, "uid-not-text"),
        ({**GOOD, "uid": "a\0b"}, "uid-not-text"),
        ({**GOOD, "uid": "x" * 201}, "uid-not-text"),
        ({**GOOD, "title": ""}, "no-title"),
        ({"uid": "1", "content": "B"}, "no-title"),
        ({**GOOD, "content": None}, "no-content"),
        ({**GOOD, "title": 1984}, "title-not-text"),
        ({**GOOD, "content": ["a", "b"]}, "1"),
        ({**GOOD, "content": ["a", 5]}, "content-not-text"),
        ({**GOOD, "content": []}, "no-content"),
        (b'{"uid": "1", "title": NaN, "content": "c"}', "title-not-text"),
        (b'{"uid": "1", "title": "t", "content": "c", "target_rel": [NaN]}', "1"),
        (b'{"uid": "1", "title": "a\tb", "content": "half \\ud83d a pair"}', "1"),
        (b'{"uid": "1", "title": "t\\u0000", "content": "c\x00"}', "1"),
        (b'{"uid": "1", "title": "t", "content": "c"', "broken-json"),
        (b'{"uid": "1", "title": "t", "content": "caf\xe9"}', "invalid-utf-8"),
        (b"\x00\x00\x00", "broken-json"),
        (b"[" + b"[" * 900, "broken-json"),
        (["uid", "title"], "not-an-object"),
        (b"5", "not-an-object"),
        (b"null", "not-an-object"),
        (b'"' + b"x" * 1000 + b'"', "too-long"),
    ],
)
def test_a_row_is_parsed_or_rejected_with_a_reason(value: object, expected: str) -> None:
    assert one(value) == expected


def content_of(content: object) -> str:
    row = read(json.dumps({**GOOD, "content": content}).encode() + b"\n", max_row_bytes=1 << 20)[0]
    assert isinstance(row, ProductRow)
    return row.content


def test_the_paragraphs_of_a_list_are_joined_without_empty_ones() -> None:
    assert content_of(["One.", "", " ", "Two."]) == "One.\nTwo."


@given(st.lists(st.text(), min_size=1).filter(lambda texts: any(text.strip() for text in texts)))
def test_a_list_as_python_writes_it_is_the_same_as_a_list(paragraphs: list[str]) -> None:
    written = repr(paragraphs)
    if not re.search(r"""['"]\s+['"]""", written):
        assert content_of(f" {written}\n") == content_of(paragraphs)


def test_a_list_with_both_kinds_of_quotes_is_read() -> None:
    assert content_of("""['Welcome', "it's here", '']""") == "Welcome\nit's here"


def test_a_list_that_has_lost_its_escapes_is_read() -> None:
    assert content_of("""['It's 5/16" x 25' long', "for A's", '', 'Red']""") == "It's 5/16\" x 25' long\nfor A's\nRed"
    assert content_of("""["Mover's Dolly 12-1/4""]""") == "Mover's Dolly 12-1/4\""


@pytest.mark.parametrize(
    "text",
    [
        "['a'",
        "['a', 5]",
        "['a', 5, 'c']",
        "['a', ['b'], 'c']",
        "['a'] and ['b']",
        "['a' 'b']",
        "['a',\n 'b' 'c']",
        "[Red] and [Blue]",
        "[]",
    ],
)
def test_a_text_that_is_no_list_of_texts_stays_as_it_is(text: str) -> None:
    assert content_of(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "['a', {[]: 'b'}, 'c']",
        "['a', " + "(" * 5000 + "'b']",
        "['a'" + " + 'a'" * 5000 + ", 'b']",
        "['" + "a" * 500_000 + "', 'b']",
        "['" + "['" * 100_000 + "']",
        "['a\0', 'b']",
        "['\ud83d', 'b']",
        "['a' * 9**9**9, 'b']",
        "['\\N{no such name}', 'b']",
    ],
)
def test_a_malformed_or_huge_list_is_no_error(text: str) -> None:
    assert content_of(text)


def test_an_unknown_escape_in_a_list_is_no_warning() -> None:
    assert content_of(r"['5\d', 'b']") == "5\\d\nb"


def test_a_row_that_only_one_of_two_parsers_can_read_is_rejected() -> None:
    row = b'{"uid": 1' + b"0" * 30 + b', "x": ' + b"[" * 1015 + b"]" * 1015 + b"}\n"
    assert outcome(read(row, max_row_bytes=5000)[0]) == (1, "broken-json")


@given(
    lines=st.lists(
        st.binary(max_size=60) | st.sampled_from([json.dumps(GOOD).encode(), b"", b"  ", b"x" * 99]), max_size=30
    ),
    piece=st.integers(1, 300),
    chunk_bytes=st.integers(1, 200),
    end=st.sampled_from([b"", b"\n", b"\r\n"]),
)
def test_every_line_that_is_not_blank_is_read_once(
    lines: list[bytes], piece: int, chunk_bytes: int, end: bytes
) -> None:
    data = b"{}\n" + b"\n".join(lines) + end
    whole = [outcome(row) for row in read(data, max_row_bytes=70)]
    lines = [line.removeprefix(b"\xef\xbb\xbf") for line in data.split(b"\n")]
    expected = [number for number, line in enumerate(lines, 1) if line and not line.isspace()]
    assert [number for number, _ in whole] == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", chunk_bytes)
        assert [outcome(row) for row in read(data, piece, max_row_bytes=70)] == whole


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\{}[],: \n', max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["uid", "title", "content", "x"]), inner)
    ),
    max_leaves=6,
)


@given(items=st.lists(values, max_size=12), indent=st.sampled_from([None, 1]), piece=st.integers(1, 80))
def test_an_array_gives_the_same_rows_as_json_lines(items: list[object], indent: int | None, piece: int) -> None:
    items = [GOOD, *items]
    array = b"\xef\xbb\xbf " + json.dumps(items, indent=indent).encode() + b"\n"
    lines = "\n".join(json.dumps(item) for item in items).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", 64)
        from_array = [outcome(row) for row in read(array, piece, max_row_bytes=500)]
    assert [number for number, _ in from_array] == list(range(1, len(items) + 1))
    reasons = [reason for _, reason in from_array if reason != "too-long"]
    assert reasons == [reason for _, reason in map(outcome, read(lines, max_row_bytes=500)) if reason != "too-long"]


@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_row_of_ten_megabytes_is_rejected_and_its_neighbours_are_kept(layout: str) -> None:
    giant = {**GOOD, "content": 'a "quoted\\" [' * 800_000}
    data = json.dumps([GOOD, giant, GOOD]) if layout == "array" else "\n".join(map(json.dumps, [GOOD, giant, GOOD]))
    parsed = read(data.encode(), piece=1 << 16)
    assert [outcome(row) for row in parsed] == [(1, "1"), (2, "too-long"), (3, "1")]
    assert isinstance(parsed[1], Reject)
    assert parsed[1].text.startswith('{"uid": "1"')
    assert len(parsed[1].text) == 200


def test_a_byte_order_mark_is_not_part_of_the_first_row() -> None:
    assert one(b"\xef\xbb\xbf" + json.dumps(GOOD).encode()) == "1"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (json.dumps([GOOD, GOOD]).encode()[:-9], "without its closing"),
        (json.dumps([GOOD, GOOD]).encode()[:-1], "without its closing"),
        (json.dumps([GOOD]).encode() + b"\n{}", "data after its JSON array"),
    ],
)
def test_an_incomplete_array_and_data_after_it_are_input_errors(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(data)


@pytest.mark.parametrize("data", [b"", b"\n \n", b"[]", b" [ ]\n"])
def test_an_empty_input_has_no_rows(data: bytes) -> None:
    assert read(data) == []


def test_a_too_long_element_on_several_lines_is_one_reject() -> None:
    contents = ("b", "c" * 800, "d", "e")
    elements = ",\n".join(json.dumps({"title": "a", "content": content}, indent=1) for content in contents)
    found = read(f"[\n{elements}\n]".encode(), max_row_bytes=500)
    assert [outcome(row)[0] for row in found] == [1, 2, 3, 4]
    assert outcome(found[1])[1] == "too-long"
