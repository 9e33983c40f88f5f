"""Titles are read from every supported format, from malformed files and from a catalogue."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.describe import titles
from jobs.describe.titles import TitleFile
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage.catalogue import Catalogue, Title
from jobs.storage.fields import MAX_UID_CHARACTERS, Fields
from jobs.storage.store import Store
from tests.factories import write_catalogue


def read(path: Path, limit: int | None = None, chosen: Fields | None = None) -> list[Title]:
    return titles.from_file(titles.fetch(str(path)), "catalogue", limit, chosen)


def test_a_text_file_has_one_title_per_line(tmp_path: Path) -> None:
    path = tmp_path / "titles.txt"
    path.write_text("\ufeffRed &amp; blue lamp\n\n  \nGreen <b>desk</b>\r\n", encoding="utf-8")
    assert [(row.uid, row.title, row.known_uid) for row in read(path)] == [
        ("line-1", "Red & blue lamp", None),
        ("line-4", "Green desk", None),
    ]


def test_json_lines_and_csv_have_titles_and_optional_uids(tmp_path: Path) -> None:
    lines, table = tmp_path / "titles.jsonl", tmp_path / "titles.csv"
    products = [{"uid": "A", "title": 'Lamp, 10" wide'}, {"title": "Desk", "price": 3}, {"uid": 7, "title": "Vase"}]
    lines.write_text("\n".join(json.dumps(row) for row in products))
    table.write_text('price,title,uid\r\n,"Lamp, 10"" wide",A\r\n3,Desk,\r\n,Vase,7\r\n')
    expected = [("A", 'Lamp, 10" wide', "A"), ("Desk", None), ("7", "Vase", "7")]
    for path in (lines, table):
        rows = [(row.uid, row.title, row.known_uid) for row in read(path)]
        assert (rows[0], rows[1][1:], rows[2]) == (expected[0], expected[1], expected[2])
        assert rows[1][0].startswith("line-")


def test_a_gzipped_file_is_uncompressed(tmp_path: Path) -> None:
    path = tmp_path / "titles.txt.gz"
    path.write_bytes(gzip.compress(b"Lamp\nDesk\n"))
    assert [row.title for row in read(path)] == ["Lamp", "Desk"]


def test_a_file_in_s3_is_read(store: Store) -> None:
    store.write("in/titles.txt", b"Lamp\n")
    rows = titles.from_file(titles.fetch(store.at("in/titles.txt")), "catalogue", None)
    assert [row.title for row in rows] == ["Lamp"]


def test_a_row_without_a_usable_title_is_kept_with_its_error(tmp_path: Path) -> None:
    path = tmp_path / "titles.jsonl"
    path.write_bytes(b'{"title": "Lamp"}\n{"title": 3}\n[1]\nnot json\n{"title": "***"}\n\xff{"title": "x"}\n')
    rows = read(path)
    assert [row.uid for row in rows] == [f"line-{number}" for number in range(1, 7)]
    assert [row.error for row in rows[:5]] == [
        None,
        "line 2 has no title that is text",
        "line 3 is no object with a title",
        "line 4 is not JSON: not json",
        "nothing is left of the title when it is cleaned",
    ]
    assert str(rows[5].error).startswith("line 6 is not JSON: ")


def test_a_title_that_is_not_utf_8_is_a_failed_row(tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_bytes("title\nCrème brûlée dish\nPlain dish\n".encode("cp1252"))
    bad, good = read(path)
    assert bad.error == "the title is not UTF-8: save the file as UTF-8"
    bad.title.encode()
    assert good == Title("line-3", "Plain dish")


def test_a_title_of_ten_megabytes_is_one_failed_row(tmp_path: Path) -> None:
    for ending, text in (("csv", f"title\n{'x' * 10_000_000}\nLamp\n"), ("txt", f"{'x' * 10_000_000}\nLamp\n")):
        path = tmp_path / f"titles.{ending}"
        path.write_text(text)
        long, short = read(path)
        assert long.error == "the title has 10,000,000 characters, at most 2,000"
        assert len(long.title) < 1000
        assert short.title == "Lamp"


def test_repeated_uids_get_a_number(tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text("uid,title\nA,Lamp\nA#2,Desk\nA,Vase\nA,Clock\n")
    assert [row.uid for row in read(path)] == ["A", "A#2", "A#3", "A#4"]
    assert [row.known_uid for row in read(path)] == ["A", "A#2", "A", "A"]


@pytest.mark.parametrize(
    ("uids", "unique"),
    [
        (["A", "A", "A#2", "A"], ["A", "A#3", "A#2", "A#4"]),
        (["A", "A", "A", "B", "B"], ["A", "A#2", "A#3", "B", "B#2"]),
        ([None, "line-1", "line-1"], ["line-1#2", "line-1", "line-1#3"]),
    ],
)
def test_a_uid_that_one_row_states_is_kept_and_repeats_are_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], uids: list[str | None], unique: list[str]
) -> None:
    path = tmp_path / "titles.jsonl"
    path.write_text("\n".join(json.dumps({"uid": uid, "title": "Lamp"}) for uid in uids))
    assert [row.uid for row in read(path)] == unique
    renamed = sum("#" in uid and uid not in uids for uid in unique)
    assert f'"rows with the uid of another row renamed", "renamed": {renamed}, ' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!DOCTYPE html>\n<html><title>Sign in</title><body>\n<p>Please log in</p>\n", "HTML page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 123\n", "git lfs pull"),
        ("Red lamp\rGreen desk\r", "line ends LF or CRLF"),
        ('{"title": "Red lamp"}\n{"title": "Green desk"}\n', r"looks like JSON: .*\.jsonl"),
    ],
)
def test_a_text_file_that_is_something_else_is_not_described_line_by_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "titles.txt").write_bytes(text.encode())
    with pytest.raises(InputError, match=f"not text with one title per line.*{message}"):
        read(tmp_path / "titles.txt")


def test_titles_that_begin_like_another_format_are_text(tmp_path: Path) -> None:
    lines = ["PAR16 LED lamp", "{Red} lamp", "[New] desk", "PK 5 pens", "<b>Desk</b>", "SQLite, a book"]
    for first in range(len(lines)):
        (tmp_path / "titles.txt").write_text("\n".join(lines[first:] + lines[:first]))
        assert all(row.error is None for row in read(tmp_path / "titles.txt"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("header", ["uid\ttitle", "UID\tPrice\tTitle", "title,uid", "sku\ttitle"])
def test_a_table_in_a_text_file_is_read_by_its_columns(tmp_path: Path, header: str, encoding: str) -> None:
    """Excel saves a table as "Unicode Text (*.txt)"."""
    cells = {"uid": "A1", "sku": "A1", "title": "Lamp", "price": "5"}
    delimiter = "\t" if "\t" in header else ","
    row = delimiter.join(cells[name.lower()] for name in header.split(delimiter))
    (tmp_path / "titles.txt").write_bytes(f"{header}\r\n{row}\r\n".encode(encoding))
    known = "A1" if "uid" in header.lower() else None
    assert read(tmp_path / "titles.txt") == [Title(known or "line-2", "Lamp", known)]


def test_the_chosen_columns_of_a_table_in_a_text_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "titles.txt").write_text("sku;name\nA1;Lamp\n")
    assert read(tmp_path / "titles.txt", chosen=Fields(title="name", uid="sku")) == [Title("A1", "Lamp", "A1")]


def test_titles_with_delimiters_and_the_words_of_a_header_are_text(tmp_path: Path) -> None:
    lines = ["Title, a novel", "Lamp, red; with a uid", "title", "Desk\tblue"]
    for first in range(len(lines)):
        (tmp_path / "titles.txt").write_text("\n".join(lines[first:] + lines[:first]))
        assert len(read(tmp_path / "titles.txt")) == len(lines)


def test_control_characters_within_json_are_read_as_prepare_reads_them(tmp_path: Path) -> None:
    (tmp_path / "titles.jsonl").write_text('{"uid": 18446744073709551617, "title": "Blue\tpan"}')
    assert read(tmp_path / "titles.jsonl") == [
        Title("18446744073709551617", "Blue pan", known_uid="18446744073709551617")
    ]


@pytest.mark.parametrize(
    "text", ['{"uid": "A", "title": "Lamp"}\n', "uid,title\nA,Lamp\n", '[{"uid": "A", "title": "Lamp"}]']
)
def test_a_file_without_a_suffix_is_read_by_its_content(tmp_path: Path, text: str) -> None:
    (tmp_path / "feed").write_text(text)
    assert read(tmp_path / "feed") == [Title("A", "Lamp", "A")]
    (tmp_path / "feed").write_text("Red lamp\nGreen desk\n")
    with pytest.raises(InputError, match=r"one title per line needs a file name that ends in \.txt"):
        read(tmp_path / "feed")


def test_an_unusable_file_of_titles_is_an_error_that_names_the_cause(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"\.txt, \.jsonl, .*\.csv"):
        titles.fetch(str(tmp_path / "titles.xlsx"))
    with pytest.raises(ConfigurationError, match="--titles"):
        titles.fetch(str(tmp_path / "missing.txt"))
    with pytest.raises(NotReadyError, match=r"missing\.txt does not exist"):
        titles.fetch(store.at("missing.txt"))
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(InputError, match="has no titles"):
        read(tmp_path / "empty.txt")
    (tmp_path / "other.csv").write_text("name\nLamp\n")
    with pytest.raises(InputError, match=r"columns .name., expected one named title.*--title-field"):
        read(tmp_path / "other.csv")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"Lamp\n" * 1000)[:-12])
    with pytest.raises(InputError, match=r"cut\.txt\.gz"):
        read(tmp_path / "cut.txt.gz")


def test_a_split_has_the_order_of_the_catalogue(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, shards=2, rows_per_shard=10, held_out=3)
    sizes = {
        split: len(titles.from_catalogue(products, split, None, tmp_path))
        for split in ("held-out", "train", "test", "all")
    }
    assert sizes == {"held-out": 3, "train": 18, "test": 2, "all": 23}
    held_out = products.read_held_out(tmp_path).to_pylist()
    assert titles.from_catalogue(products, "held-out", 2, tmp_path) == [
        Title(row["uid"], row["title"], row["uid"], row["cluster"]) for row in held_out[:2]
    ]
    none = write_catalogue(store, "none", held_out=0)
    with pytest.raises(InputError, match="'held-out'"):
        titles.from_catalogue(none, "held-out", None, tmp_path)


@pytest.mark.parametrize(("split", "files"), [("held-out", 1), ("train", 3), ("all", 4)])
def test_only_the_files_that_have_products_of_a_split_are_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, files: int
) -> None:
    products, read_file = write_catalogue(store, shards=3, rows_per_shard=10, held_out=3), Catalogue.read_file
    read: list[str] = []

    def noted(self: Catalogue, name: str, folder: Path) -> pa.Table:
        read.append(name)
        return read_file(self, name, folder)

    monkeypatch.setattr(Catalogue, "read_file", noted)
    titles.from_catalogue(products, split, None, tmp_path)
    assert len(read) == files


def test_a_limit_applies_to_the_number_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "titles.txt"
    path.write_text("a1\nb2\nc3\n")
    assert len(read(path, 2)) == 2


def test_only_a_line_feed_ends_a_line_of_text(tmp_path: Path) -> None:
    path = tmp_path / "titles.txt"
    path.write_bytes("Red Mug\u2028with lid\nCafé\u0085Table\r\nBlue\x0cLamp\x0b\x1c\nGreen\rVase\u2029\n".encode())
    expected = ["Red Mug with lid", "Café Table", "Blue Lamp", "Green Vase"]
    assert [(row.uid, row.title) for row in read(path)] == [(f"line-{n}", title) for n, title in enumerate(expected, 1)]


ROWS = [{"uid": "1", "title": "Steel kettle"}, {"uid": "2", "title": "Oak shelf, 30 cm"}]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_format_and_encoding_gives_the_same_titles(tmp_path: Path, codec: str) -> None:
    files = {
        "titles.json": json.dumps(ROWS),
        "array.jsonl": json.dumps(ROWS, indent=1),
        "titles.ndjson": "\n".join(map(json.dumps, ROWS)),
        "titles.csv": 'uid, title\n1, Steel kettle\n2," Oak shelf, 30 cm"\n',
        "titles.tsv": "UID\tTitle\r\n1\tSteel kettle\r\n2\tOak shelf, 30 cm\r\n",
    }
    for name, text in files.items():
        for suffix, compress in (("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
            path = tmp_path / f"{name}{suffix}"
            path.write_bytes(compress(text.encode(codec)))
            assert [(row.uid, row.title, row.known_uid) for row in read(path)] == [
                ("1", "Steel kettle", "1"),
                ("2", "Oak shelf, 30 cm", "2"),
            ]


def test_titles_are_read_from_parquet_and_from_other_fields(tmp_path: Path) -> None:
    path = tmp_path / "titles.parquet"
    pq.write_table(pa.Table.from_pylist([{"asin": "B1", "name": "Steel kettle"}]), path)
    chosen = Fields(title="name")
    [title] = titles.from_file(titles.fetch(str(path)), "catalogue", None, chosen)
    assert (title.uid, title.title, title.known_uid) == ("B1", "Steel kettle", "B1")
    with pytest.raises(InputError, match=r"Parquet with the columns 'asin', 'name', expected one named title"):
        read(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "titles.jsonl",
            '{"asin": "B1", "name": "Steel kettle"}',
            r"1 of 1 titles.*--title-field.*fields 'asin', 'name'",
        ),
        ("titles.jsonl", '{"title": "***"}\n{"title": "<br>"}', "2 of 2 titles cannot be used"),
        ("titles.jsonl", ",\n".join([*map(json.dumps, ROWS), *map(json.dumps, ROWS)]), "3 of 4 titles.*trailing comma"),
        ("titles.json", json.dumps({"titles": ROWS}), "rows in 'titles'"),
        ("titles.txt", "***\n---\n", "expected one title per line"),
        ("titles.jsonl", "<!doctype html><p>404", "HTML page"),
    ],
)
def test_a_file_of_titles_that_cannot_be_used_is_an_input_error(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)


@given(st.sampled_from(titles.SUFFIXES), st.binary(max_size=200))
def test_any_bytes_give_rows_or_an_input_error(suffix: str, data: bytes) -> None:
    try:
        rows = titles.from_file(TitleFile("titles", suffix, data), "catalogue", None)
    except InputError:
        return
    assert len({row.uid for row in rows}) == len(rows)
    for row in rows:
        assert "\0" not in row.uid + row.title
        (row.uid + row.title + (row.error or "")).encode()
        assert row.title or row.error


def test_a_uid_that_the_database_cannot_have_as_a_key_is_a_failed_row(tmp_path: Path) -> None:
    path = tmp_path / "titles.jsonl"
    uids = ["A" * MAX_UID_CHARACTERS, "A" * (MAX_UID_CHARACTERS + 1), "a\nb", "a\0b", "灯"]
    path.write_text("\n".join(json.dumps({"uid": uid, "title": "Lamp"}) for uid in uids))
    error = "has a uid that is longer than 200 characters or not printable"
    assert [(row.uid, row.error) for row in read(path)] == [
        (uids[0], None),
        *((f"line-{number}", f"line {number} {error}") for number in (2, 3, 4)),
        (uids[4], None),
    ]


def test_a_numeric_uid_is_a_text_without_a_fraction(tmp_path: Path) -> None:
    uids = [101.0, None, 7, 1.5, True, ["1"]]
    lines, table = tmp_path / "titles.jsonl", tmp_path / "titles.parquet"
    lines.write_text("\n".join(json.dumps({"uid": uid, "title": "Lamp"}) for uid in [*uids, float("nan")]))
    rows = read(lines)
    assert [row.uid for row in rows] == ["101", "line-2", "7", "line-4", "line-5", "line-6", "line-7"]
    assert [row.known_uid for row in rows] == ["101", None, "7", None, None, None, None]
    assert [row.error for row in rows] == [
        *(None, None, None),
        *(f"line {number} has a uid that is neither a text nor an integer" for number in (4, 5, 6)),
        None,
    ]
    pq.write_table(pa.table({"uid": pa.array([101.0, None]), "title": ["Lamp", "Desk"]}), table)
    assert [(row.uid, row.known_uid) for row in read(table)] == [("101", "101"), ("line-2", None)]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_a_table_with_an_unnamed_index_has_its_titles(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "titles.tsv"
    records = [("", "uid", "title", "note"), ("0", "A", "Lamp", ""), ("1", "B", "Desk", "new")]
    path.write_text("".join(delimiter.join(record) + "\n" for record in records))
    assert [(row.uid, row.title) for row in read(path)] == [("A", "Lamp"), ("B", "Desk")]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
@pytest.mark.parametrize("limit", [None, 1])
def test_a_chosen_uid_field_that_no_row_has_is_an_input_error(tmp_path: Path, suffix: str, limit: int | None) -> None:
    path = tmp_path / f"titles.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        texts = {"jsonl": "\n".join(map(json.dumps, ROWS)), "json": json.dumps(ROWS), "csv": "uid,title\n1,Kettle\n"}
        path.write_text(texts[suffix])
    with pytest.raises(InputError, match=r"'uid', 'title', expected one named sku.*--uid-field"):
        read(path, limit, Fields(uid="sku"))


def test_titles_without_a_uid_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("t.csv", "title\nLamp\n"), ("t.jsonl", '{"title": "Lamp"}\n{"title": "Desk"}')):
        (tmp_path / name).write_text(text)
        read(tmp_path / name)
        assert capsys.readouterr().err.count('"rows have no uid: line numbers are used"') == 1
    (tmp_path / "t.jsonl").write_text('{"title": "Lamp"}\n{"title": "Desk", "asin": "1"}')
    read(tmp_path / "t.jsonl")
    assert '"warning"' not in capsys.readouterr().err
