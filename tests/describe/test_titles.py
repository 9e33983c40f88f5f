"""Titles from files of every kind, however broken, and from a catalogue."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.describe import titles
from jobs.describe.titles import TitleFile
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage.catalogue import Title
from jobs.storage.store import Store
from tests.factories import write_catalogue


def read(path: Path, limit: int | None = None) -> list[Title]:
    return titles.from_file(titles.fetch(str(path)), "catalogue", limit)


def test_a_text_file_has_a_title_a_line(tmp_path: Path) -> None:
    path = tmp_path / "titles.txt"
    path.write_text("\ufeffRed &amp; blue lamp\n\n  \nGreen <b>desk</b>\r\n", encoding="utf-8")
    assert [(row.uid, row.title, row.known_uid) for row in read(path)] == [
        ("line-1", "Red & blue lamp", None),
        ("line-4", "Green desk", None),
    ]


def test_json_lines_and_csv_have_titles_and_perhaps_uids(tmp_path: Path) -> None:
    lines, table = tmp_path / "titles.jsonl", tmp_path / "titles.csv"
    rows = [{"uid": "A", "title": 'Lamp, 10" wide'}, {"title": "Desk", "price": 3}, {"uid": 7, "title": "Vase"}]
    lines.write_text("\n".join(json.dumps(row) for row in rows))
    table.write_text('price,title,uid\r\n,"Lamp, 10"" wide",A\r\n3,Desk,\r\n,Vase,7\r\n')
    expected = [("A", 'Lamp, 10" wide', "A"), ("Desk", None), ("7", "Vase", "7")]
    for path in (lines, table):
        found = [(row.uid, row.title, row.known_uid) for row in read(path)]
        assert (found[0], found[1][1:], found[2]) == (expected[0], expected[1], expected[2])
        assert found[1][0].startswith("line-")


def test_a_gzipped_file_is_read_as_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "titles.txt.gz"
    path.write_bytes(gzip.compress(b"Lamp\nDesk\n"))
    assert [row.title for row in read(path)] == ["Lamp", "Desk"]


def test_a_file_may_lie_in_s3(store: Store) -> None:
    store.write("in/titles.txt", b"Lamp\n")
    assert [row.title for row in titles.from_file(titles.fetch(store.at("in/titles.txt")), "catalogue", None)] == [
        "Lamp"
    ]


def test_rows_that_cannot_be_used_keep_their_place_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "titles.jsonl"
    path.write_bytes(b'{"title": "Lamp"}\n{"title": 3}\n[1]\nnot json\n{"title": "***"}\n\xff{"title": "x"}\n')
    found = read(path)
    assert [row.uid for row in found] == [f"line-{number}" for number in range(1, 7)]
    assert [row.error is None for row in found] == [True, False, False, False, False, False]


def test_a_title_that_is_not_utf_8_is_a_failed_row_and_not_a_mutilated_one(tmp_path: Path) -> None:
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
        assert long.error is not None
        assert "10,000,000 characters" in long.error
        assert len(long.title) < 1000
        assert short.title == "Lamp"


def test_equal_uids_get_a_number(tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text("uid,title\nA,Lamp\nA#2,Desk\nA,Vase\nA,Clock\n")
    assert [row.uid for row in read(path)] == ["A", "A#2", "A#3", "A#4"]
    assert [row.known_uid for row in read(path)] == ["A", "A#2", "A", "A"]


def test_what_is_no_file_of_titles_is_told_at_once(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"\.txt, \.jsonl, \.csv"):
        titles.fetch(str(tmp_path / "titles.xlsx"))
    with pytest.raises(ConfigurationError):
        titles.fetch(str(tmp_path / "missing.txt"))
    with pytest.raises((NotReadyError, ConfigurationError)):
        titles.fetch(store.at("missing.txt"))
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(InputError, match="has no titles"):
        read(tmp_path / "empty.txt")
    (tmp_path / "other.csv").write_text("name\nLamp\n")
    with pytest.raises(InputError, match="expected `title`"):
        read(tmp_path / "other.csv")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"Lamp\n" * 1000)[:-12])
    with pytest.raises(InputError):
        read(tmp_path / "cut.txt.gz")


def test_a_split_of_the_catalogue_comes_in_its_order(store: Store, tmp_path: Path) -> None:
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


def test_the_limit_counts_rows(tmp_path: Path) -> None:
    path = tmp_path / "titles.txt"
    path.write_text("a1\nb2\nc3\n")
    assert len(read(path, 2)) == 2


@given(st.sampled_from(titles.ENDINGS), st.binary(max_size=200))
def test_any_bytes_are_rows_or_one_clear_error(ending: str, data: bytes) -> None:
    try:
        found = titles.from_file(TitleFile("somewhere", ending, data), "catalogue", None)
    except InputError:
        return
    assert len({row.uid for row in found}) == len(found)
    for row in found:
        assert "\0" not in row.uid + row.title
        (row.uid + row.title + (row.error or "")).encode()
        assert row.title or row.error
