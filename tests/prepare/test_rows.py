"""Raw rows: whatever the bytes, every row is read once, and is used or rejected with a reason."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.prepare import rows
from jobs.prepare.rows import RawRow, Reject
from jobs.process.errors import InputError

GOOD = {"uid": "1", "title": "A title", "content": "A content"}


class Pieces:
    """A stream that gives at most `size` bytes at a time, as a network does."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file, self._size = io.BytesIO(data), size

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._size))


def read(data: bytes, piece: int = 1 << 20, max_row_bytes: int = 1000) -> list[RawRow | Reject]:
    found = rows.chunks(Pieces(data, piece), max_row_bytes, "here")
    return [row for chunk in found for row in rows.parsed(chunk, max_row_bytes)]


def outcome(row: RawRow | Reject) -> tuple[int, str]:
    return row.row, row.uid if isinstance(row, RawRow) else row.reason


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
        ({**GOOD, "uid": True}, "uid-not-text"),
        ({**GOOD, "uid": ["1"]}, "uid-not-text"),
        ({**GOOD, "uid": "a\0b"}, "uid-not-text"),
        ({**GOOD, "uid": "x" * 201}, "uid-not-text"),
        ({**GOOD, "title": ""}, "no-title"),
        ({"uid": "1", "content": "B"}, "no-title"),
        ({**GOOD, "content": None}, "no-content"),
        ({**GOOD, "title": 1984}, "title-not-text"),
        ({**GOOD, "content": ["a", "b"]}, "content-not-text"),
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
def test_a_row_is_used_or_rejected_with_a_reason(value: object, expected: str) -> None:
    assert one(value) == expected


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
    expected = [number for number, line in enumerate(data.split(b"\n"), 1) if line and not line.isspace()]
    assert [number for number, _ in whole] == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "CHUNK_BYTES", chunk_bytes)
        assert [outcome(row) for row in read(data, piece, max_row_bytes=70)] == whole


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\{}[],: \n', max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["uid", "title", "content", "x"]), inner)
    ),
    max_leaves=6,
)


@given(items=st.lists(values, max_size=12), indent=st.sampled_from([None, 1]), piece=st.integers(1, 80))
def test_an_array_is_read_as_its_elements_would_be_as_lines(
    items: list[object], indent: int | None, piece: int
) -> None:
    items = [GOOD, *items]
    array = b"\xef\xbb\xbf " + json.dumps(items, indent=indent).encode() + b"\n"
    lines = "\n".join(json.dumps(item) for item in items).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "CHUNK_BYTES", 64)
        from_array = [outcome(row) for row in read(array, piece, max_row_bytes=500)]
    assert [number for number, _ in from_array] == list(range(1, len(items) + 1))
    reasons = [reason for _, reason in from_array if reason != "too-long"]
    assert reasons == [reason for _, reason in map(outcome, read(lines, max_row_bytes=500)) if reason != "too-long"]


@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_row_of_ten_megabytes_is_rejected_and_those_around_it_are_kept(layout: str) -> None:
    giant = {**GOOD, "content": 'a "quoted\\" [' * 800_000}
    data = json.dumps([GOOD, giant, GOOD]) if layout == "array" else "\n".join(map(json.dumps, [GOOD, giant, GOOD]))
    found = read(data.encode(), piece=1 << 16)
    assert [outcome(row) for row in found] == [(1, "1"), (2, "too-long"), (3, "1")]
    assert isinstance(found[1], Reject)
    assert found[1].text.startswith('{"uid": "1"')
    assert len(found[1].text) == 200


def test_a_byte_order_mark_is_no_part_of_the_first_row() -> None:
    assert one(b"\xef\xbb\xbf" + json.dumps(GOOD).encode()) == "1"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (json.dumps([GOOD, GOOD]).encode()[:-9], "breaks off"),
        (json.dumps([GOOD, GOOD]).encode()[:-1], "breaks off"),
        (json.dumps([GOOD]).encode() + b"\n{}", "goes on after"),
    ],
)
def test_an_array_that_is_not_whole_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(data)


@pytest.mark.parametrize("data", [b"", b"\n \n", b"[]", b" [ ]\n"])
def test_nothing_has_no_rows(data: bytes) -> None:
    assert read(data) == []
