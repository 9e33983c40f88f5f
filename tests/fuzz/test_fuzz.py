"""Mutated lines and mutated files through `prepare` and `describe --titles`: no row is lost, and nothing is a defect.

`--lines 1000000 --files 2000 --seed 7` is the full size, some minutes. A failure prints the seed of its file, and keeps the file.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.describe import titles
from jobs.describe.titles import SUFFIXES
from jobs.prepare import job
from jobs.prepare.settings import Settings
from jobs.process.errors import InputError
from jobs.process.lifecycle import run_to_exit_code
from jobs.sample.rows import sample_rows
from jobs.storage import artifact, catalogue, layout
from jobs.storage.store import Store

pytestmark = pytest.mark.timeout(7200)

LINES_PER_FILE = 20_000
ROWS = [{name: str(row[name]) for name in ("uid", "title", "content")} for row in sample_rows(60, seed=3)]
SCRAPS = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b'"', b"'", b"\\", b"{", b"}", b"[", b"]",
    b",", b":", b"\n", b"\r", b"\r\n", b"\x0c", b"\xe2\x80\xa8", b"\xc2\x85", b"NaN", b"1e999", b"null", b"true", b"-",
    b"</s>", "＜/s＞".encode(), b"<pad>", b"<extra_id_0>", b"<script>", b"<!--", b"&lt;", b"&#x", b"var a = 1; ", b"function(){",
    b'{"title":', b"[" * 50, b"{" * 50, b"\t", b";", b"|", "é".encode("latin-1"), "é".encode("utf-16-le"), "😀".encode(),
    b"x" * 300, b"PK\x03\x04", b"PAR1", b"\x1f\x8b",
]  # fmt: skip


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return the data with one to four changes."""
    for _ in range(draw.randint(1, 4)):
        start = draw.randint(0, len(data))
        end = min(len(data), start + draw.choice([0, 0, 1, 2, 10, 100]))
        change = draw.randrange(5)
        if change == 0:
            data = data[:start] + draw.choice(SCRAPS) + data[end:]
        elif change == 1:
            data = data[:start] + data[end:]
        elif change == 2:
            data = data[:start] + draw.randbytes(end - start) + data[end:]
        elif change == 3:
            data = data[:start] + data[start:end] * 2 + data[end:]
        else:
            data = data[:end] if draw.random() < 0.2 else data
    return data


def json_lines(draw: random.Random) -> bytes:
    end = draw.choice([b"\n", b"\n", b"\r\n", b",\n"])
    names = draw.choice([("uid", "title", "content"), ("asin", "title", "description"), ("id", "name", "text")])
    lines = [json.dumps(dict(zip(names, row.values(), strict=True)), ensure_ascii=False) for row in ROWS]
    return end.join(line.encode() for line in lines)


def json_array(draw: random.Random) -> bytes:
    return json.dumps(ROWS, ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, 1])).encode()


def comma_separated(draw: random.Random) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(ROWS[0]), delimiter=draw.choice(",;\t|"), lineterminator=draw.choice(["\n", "\r\n"])
    )
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


def parquet(draw: random.Random) -> bytes:
    buffer = io.BytesIO()
    compression = draw.choice(["none", "snappy", "zstd"])
    pq.write_table(pa.Table.from_pylist(ROWS), buffer, row_group_size=draw.choice([7, 1000]), compression=compression)
    return buffer.getvalue()


def plain_text(draw: random.Random) -> bytes:
    return draw.choice(["\n", "\r\n"]).join(row["title"] for row in ROWS).encode()


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows", data)
    return buffer.getvalue()


FORMATS = (json_lines, json_array, comma_separated, parquet, plain_text)
ENCODINGS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    bytes,
    lambda data: data.decode(errors="replace").encode("utf-16"),
    lambda data: data.decode(errors="replace").encode("cp1252", errors="replace"),
    lambda data: b"\xef\xbb\xbf" + data,
)
COMPRESSIONS: tuple[Callable[[bytes], bytes], ...] = (bytes, bytes, gzip.compress, bz2.compress, lzma.compress, zipped)


def mutated_file(draw: random.Random) -> bytes:
    """Return a file of any format, encoding and compression, changed before or after it was compressed, or not at all."""
    form = draw.choice(FORMATS)
    data = form(draw)
    if form is not parquet:
        data = draw.choice(ENCODINGS)(data)
    when = draw.choice(["before", "before", "after", "never"])
    data = draw.choice(COMPRESSIONS)(mutated(data, draw) if when == "before" else data)
    return mutated(data, draw) if when == "after" else data


def check_prepare(store: Store, path: Path, max_unreadable: float, expected_rows: int | None = None) -> int:
    """Prepare the file and check what must hold whatever it has. Returns the exit code."""
    settings = Settings(
        input=str(path),
        catalogue="fuzz",
        max_unreadable=max_unreadable,
        processes=1,
        max_row_bytes=10_000,
        shard_rows=5000,
    )
    code = run_to_exit_code(lambda: job.run(settings))
    assert code in (0, 65)
    if code:
        assert artifact.find(store, layout.catalogue_path("fuzz")) is None
        return code
    figures = catalogue.require(store, "fuzz").artifact.manifest.figures
    assert figures["kept"] + figures["rejected"] == figures["read"]
    if expected_rows is not None:
        assert figures["read"] == expected_rows
    artifact.remove(store, layout.catalogue_path("fuzz"))
    return code


def check_titles(path: Path) -> int:
    """Read the file as titles and check what must hold whatever it has. Returns the exit code."""
    try:
        found = titles.from_file(titles.fetch(str(path)), "catalogue", None)
    except InputError:
        return 65
    assert any(title.error is None for title in found)
    assert len({title.uid for title in found}) == len(found)
    for title in found:
        text = title.uid + title.title + (title.error or "")
        assert "\0" not in text
        text.encode()
        assert title.title or title.error
    return 0


def test_mutated_lines_are_kept_or_rejected(store: Store, tmp_path: Path, lines: int, seed: int) -> None:
    originals = [json.dumps(row, ensure_ascii=number % 2 == 0).encode() for number, row in enumerate(ROWS)]
    codes = []
    for first in range(0, lines, LINES_PER_FILE):
        draw = random.Random(f"{seed} lines {first}")
        data = b"\n".join(
            originals[number % len(originals)] if draw.random() < 0.2 else mutated(draw.choice(originals), draw)
            for number in range(min(LINES_PER_FILE, lines - first))
        )
        data = originals[0] + b"\n" + data  # so that the format is recognised
        path = tmp_path / f"lines-{seed}-{first}.jsonl"
        path.write_bytes(data)
        expected = sum(1 for line in data.split(b"\n") if line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\n\r\x0b\x0c"))
        codes += [check_prepare(store, path, 1.0, expected), check_titles(path)]
        path.unlink()
    assert set(codes) <= {0, 65}
    assert 0 in codes


def test_mutated_files_end_with_0_or_65(
    store: Store, tmp_path: Path, files: int, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = []
    for number in range(files):
        draw = random.Random(f"{seed} file {number}")
        path = tmp_path / f"file-{seed}-{number}{draw.choice([*SUFFIXES, '.zip', '.csv.gz', '.jsonl.bz2'])}"
        path.write_bytes(mutated_file(draw))
        codes += [check_prepare(store, path, draw.choice([0.05, 1.0])), check_titles(path)]
        assert "Traceback" not in capsys.readouterr().err, path
        path.unlink()
    if files >= 20:
        assert set(codes) == {0, 65}
