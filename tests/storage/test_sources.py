"""Where rows come from: files, HTTP, S3, gzip or not; each failure with its exit code."""

import gzip
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.process.errors import ConfigurationError, InputError, JobError, NotReadyError
from jobs.storage import sources
from jobs.storage.store import Store

DATA = b'{"uid": "1"}\n' * 100_000


class Handler(BaseHTTPRequestHandler):
    """Answers by path: /rows well, /short cut off, /404 and the like with that code; HEAD only for /rows."""

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(DATA)

    def _answer(self, body: bytes) -> None:
        code = self.path[1:].partition("?")[0]
        if code.isdigit():
            self.send_error(int(code))
            return
        if self.path == "/no-head" and not body:
            self.send_error(405)
            return
        self.send_response(200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/short" else body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def read(address: str) -> bytes:
    with sources.opened(address) as source:
        stream = sources.uncompressed(source)
        parts = list(iter(lambda: stream.read(10_000), b""))
        source.drain()
    return b"".join(parts)


@pytest.mark.parametrize("name", ["rows.json", "rows.gz", "rows"])
@pytest.mark.parametrize(
    "packed",
    [
        DATA,
        gzip.compress(DATA, mtime=0),
        gzip.compress(DATA[:500], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(DATA[500:], mtime=0),
        gzip.compress(DATA, mtime=0) + bytes(2000),
    ],
    ids=["plain", "gzip", "members", "padded"],
)
def test_gzip_is_told_by_content_and_not_by_name(tmp_path: Path, name: str, packed: bytes) -> None:
    (tmp_path / name).write_bytes(packed)
    assert read(str(tmp_path / name)) == DATA


@pytest.mark.parametrize(
    "packed", [gzip.compress(DATA, mtime=0)[:-5], gzip.compress(DATA, mtime=0)[:900], gzip.compress(DATA, mtime=0)[:4]]
)
def test_gzip_that_breaks_off_is_bad_input(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "rows").write_bytes(packed)
    with pytest.raises(InputError, match="breaks off"):
        read(str(tmp_path / "rows"))


def test_gzip_that_is_damaged_is_bad_input(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(50_000)))
    packed[20_000:20_100] = bytes(100)
    (tmp_path / "rows").write_bytes(packed)
    with pytest.raises(InputError, match="gzip"):
        read(str(tmp_path / "rows"))


def test_a_missing_file_and_a_folder_are_wrong_settings(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigurationError, match="--input"):
            read(str(path))


def test_rows_come_over_http(web: str) -> None:
    assert read(f"{web}/rows") == DATA


@pytest.mark.parametrize(
    ("path", "error"),
    [("404", ConfigurationError), ("403", ConfigurationError), ("503", NotReadyError), ("429", NotReadyError)],
)
def test_what_a_web_server_answers_decides_the_exit_code(web: str, path: str, error: type[JobError]) -> None:
    with pytest.raises(error, match=path):
        read(f"{web}/{path}?signature=secret")


def test_an_answer_that_is_cut_off_can_be_tried_again(web: str) -> None:
    with pytest.raises(NotReadyError, match="broke off"):
        read(f"{web}/short")


def test_a_server_that_is_not_there_can_be_tried_again() -> None:
    with pytest.raises(NotReadyError, match="reached"):
        read("http://127.0.0.1:9/rows")


def test_the_query_of_an_address_is_in_no_message(web: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(f"{web}/404?signature=secret")
    assert "secret" not in str(caught.value)


def test_rows_come_from_s3(store: Store) -> None:
    store.write("raw/rows", gzip.compress(DATA))
    assert read(store.at("raw/rows")) == DATA
    with pytest.raises(NotReadyError, match="not there"):
        read(store.at("raw/other"))


def test_the_identity_of_a_file_changes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"one")
    first = sources.identity(str(path))
    assert sources.identity(str(path)) == first
    os.utime(path, ns=(1, 1))
    assert sources.identity(str(path)) != first


def test_the_identity_of_an_object_changes_with_it(store: Store) -> None:
    store.write("raw/rows", b"one")
    first = sources.identity(store.at("raw/rows"))
    store.write("raw/rows", b"two")
    assert sources.identity(store.at("raw/rows")) != first


def test_a_web_server_without_head_gives_no_identity(web: str) -> None:
    assert sources.identity(f"{web}/rows") is not None
    assert sources.identity(f"{web}/no-head") is None
