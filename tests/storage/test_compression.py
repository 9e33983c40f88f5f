"""Compressed streams: every format gives the same bytes, and damage is one clear error."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.process.errors import InputError
from jobs.storage import sources
from jobs.storage.compression import uncompressed

pytestmark = pytest.mark.slow

DATA = b"".join(b'{"uid": "%d", "title": "Lamp %d"}\n' % (number, number * 7919) for number in range(50_000))


def zipped(data: bytes, *names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in names or ("rows.jsonl",):
            archive.writestr(name, data)
    return buffer.getvalue()


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "stored zip": lambda data: zipped(data, method=zipfile.ZIP_STORED),
    "bzip2 in zip": lambda data: zipped(data, method=zipfile.ZIP_BZIP2),
}


def read(data: bytes, folder: Path) -> bytes:
    path = folder / "rows"
    path.write_bytes(data)
    with sources.opened(str(path)) as source, uncompressed(source) as stream:
        return b"".join(iter(lambda: stream.read(10_000), b""))


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_every_compression_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    assert read(COMPRESSIONS[name](DATA), tmp_path) == DATA


def test_zstandard_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.zst"
    with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as stream:
        stream.write(DATA)
    assert read(path.read_bytes(), tmp_path) == DATA
    with pytest.raises(InputError, match="Zstandard"):
        read(path.read_bytes()[:-20], tmp_path)


def test_zstandard_may_begin_with_a_frame_to_skip(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00size"  # as pzstd writes
    frames = [pa.compress(part, codec="zstd", asbytes=True) for part in (DATA[:999], DATA[999:])]
    assert read(b"".join(skipped + frame for frame in frames), tmp_path) == DATA


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress, gzip.compress])
def test_several_members_are_one_stream(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    assert read(compress(DATA[:999]) + compress(b"") + compress(DATA[999:]), tmp_path) == DATA


def test_compressed_files_in_compressed_files_are_read(tmp_path: Path) -> None:
    assert read(gzip.compress(gzip.compress(DATA)), tmp_path) == DATA
    assert read(zipped(lzma.compress(DATA)), tmp_path) == DATA
    nested = DATA
    for _ in range(6):
        nested = gzip.compress(nested)
    with pytest.raises(InputError, match="compressed more than"):
        read(nested, tmp_path)


@pytest.mark.parametrize("name", COMPRESSIONS)
@pytest.mark.parametrize("damage", ["truncated", "truncated at the beginning", "changed"])
def test_damaged_files_are_input_errors(name: str, damage: str, tmp_path: Path) -> None:
    data = bytearray(COMPRESSIONS[name](DATA))
    if damage == "truncated":
        data = data[: len(data) * 2 // 3]
    elif damage == "changed":
        data[len(data) // 3 : len(data) // 3 + 50] = bytes(50)
    else:
        data = data[:12]
    with pytest.raises(InputError, match=r"truncated|damaged"):
        read(bytes(data), tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(DATA, "a.jsonl", "b.jsonl"), r"zip of 2 files \(a\.jsonl, b\.jsonl\)"),
        (zipped(DATA, "[Content_Types].xml", "xl/workbook.xml"), "save the table as CSV"),
        (zipped(b"", "folder/"), "zip of 0 files"),
    ],
)
def test_a_zip_without_exactly_one_file_is_an_input_error(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(data, tmp_path)


@pytest.mark.parametrize(
    ("offsets", "value", "message"),
    [
        ((6, 8), 1, "is encrypted, expected a zip without a password: unpack it first"),
        ((8, 10), 9, "zip compression .* that is not supported .*: unpack it first"),
        ((4, 6), 99, "version of zip that is not supported .*: unpack it first"),
    ],
)
def test_a_zip_that_needs_another_program_is_not_called_damaged(
    offsets: tuple[int, int], value: int, message: str, tmp_path: Path
) -> None:
    data = bytearray(zipped(DATA[:999]))
    data[offsets[0]] = data[data.index(b"PK\x01\x02") + offsets[1]] = value
    with pytest.raises(InputError, match=message) as caught:
        read(bytes(data), tmp_path)
    assert "damaged" not in str(caught.value)


def test_the_files_that_a_mac_adds_to_a_zip_are_ignored(tmp_path: Path) -> None:
    assert (
        read(zipped(DATA, "rows/", "rows/rows.jsonl", "__MACOSX/rows/._rows.jsonl", "rows/.DS_Store"), tmp_path) == DATA
    )


@pytest.mark.parametrize("data", [b"", b"B", b"BZh is a text", b"PK is one too", b"\x1f", b"PAR"])
def test_text_that_begins_like_a_compressed_file_is_text(data: bytes, tmp_path: Path) -> None:
    assert read(data, tmp_path) == data
