"""Sources: files, HTTP and S3, compressed or not, and the exit code of each failure."""

import gzip
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.process.errors import ConfigurationError, InputError, JobError, NotReadyError
from jobs.storage import sources
from jobs.storage.compression import uncompressed
from jobs.storage.store import Store
from tests.certificates import certificate_files

DATA = b'{"uid": "1"}\n' * 100_000


class Handler(BaseHTTPRequestHandler):
    """Answers by path: /rows in full, /short truncated, /404 and the like with that code, /no-head without HEAD."""

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
        """Log nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def read(address: str) -> bytes:
    with sources.opened(address) as source, uncompressed(source) as stream:
        parts = list(iter(lambda: stream.read(10_000), b""))
        source.drain()
    return b"".join(parts)


@pytest.mark.parametrize("name", ["rows.json", "rows.gz", "rows"])
@pytest.mark.parametrize(
    "data",
    [
        DATA,
        gzip.compress(DATA, mtime=0),
        gzip.compress(DATA[:500], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(DATA[500:], mtime=0),
        gzip.compress(DATA, mtime=0) + bytes(2000),
    ],
    ids=["plain", "gzip", "members", "padded"],
)
def test_gzip_is_recognised_by_content_not_by_name(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert read(str(tmp_path / name)) == DATA


@pytest.mark.parametrize(
    "data", [gzip.compress(DATA, mtime=0)[:-5], gzip.compress(DATA, mtime=0)[:900], gzip.compress(DATA, mtime=0)[:4]]
)
def test_truncated_gzip_is_an_input_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "rows").write_bytes(data)
    with pytest.raises(InputError, match="truncated gzip"):
        read(str(tmp_path / "rows"))


def test_damaged_gzip_is_an_input_error(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(os.urandom(50_000)))
    data[20_000:20_100] = bytes(100)
    (tmp_path / "rows").write_bytes(data)
    with pytest.raises(InputError, match="gzip"):
        read(str(tmp_path / "rows"))


def test_a_missing_file_and_a_folder_are_configuration_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigurationError, match="--input"):
            read(str(path))


def test_a_source_can_be_read_over_http(web: str) -> None:
    assert read(f"{web}/rows") == DATA


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("404", ConfigurationError),
        ("403", ConfigurationError),
        ("503", NotReadyError),
        ("429", NotReadyError),
        ("408", NotReadyError),
        ("425", NotReadyError),
    ],
)
def test_the_answer_of_a_web_server_decides_the_exit_code(web: str, path: str, error: type[JobError]) -> None:
    with pytest.raises(error, match=path):
        read(f"{web}/{path}?signature=secret")


def test_a_truncated_answer_can_be_retried(web: str) -> None:
    with pytest.raises(NotReadyError, match=r"ended after 650,000 bytes, expected 1,300,000"):
        read(f"{web}/short")


def test_an_unreachable_server_can_be_retried() -> None:
    with pytest.raises(NotReadyError, match="cannot be reached"):
        read("http://127.0.0.1:9/rows")


def test_a_certificate_that_is_not_trusted_is_a_wrong_setting(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate_files(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(ConfigurationError, match=r"not trusted.*SSL_CERT_FILE"):
                read(f"https://127.0.0.1:{server.server_port}/rows")
        finally:
            server.shutdown()
            thread.join()


def test_no_message_contains_the_query_of_an_address(web: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(f"{web}/404?signature=secret")
    assert "secret" not in str(caught.value)


def test_a_source_can_be_read_from_s3(store: Store) -> None:
    store.write("raw/rows", gzip.compress(DATA))
    assert read(store.at("raw/rows")) == DATA
    with pytest.raises(NotReadyError, match="does not exist"):
        read(store.at("raw/other"))


@pytest.mark.parametrize("name", [b"rows.jsonl", b"rows-\xe9.jsonl"], ids=["UTF-8", "another encoding"])
def test_the_identity_of_a_file_changes_with_it(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
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


def test_a_web_server_without_head_has_no_identity(web: str) -> None:
    assert sources.identity(f"{web}/rows") is not None
    assert sources.identity(f"{web}/no-head") is None


@pytest.mark.parametrize(
    "address",
    [
        "http://someone:hunter2@127.0.0.1:9/rows.jsonl",
        "http://someone:hun:hunter2@127.0.0.1:9/rows.jsonl?sig=hunter2",
        "http://someone:hun/hunter2@127.0.0.1:9/rows.jsonl",
        "http://127.0.0.1:9/all rows?sig=hunter2",
        "http://127.0.0.1:9/möbel.jsonl?sig=hunter2",
        "http://möbel.example/rows.jsonl?sig=hunter2",
        "http://127.0.0.1:hunter2/rows.jsonl",
        "http://[::1:9/rows.jsonl?sig=hunter2",
        "http:///rows.jsonl?sig=hunter2",
        "HTTP://someone:hunter2@127.0.0.1/rows.jsonl",
        "ftp://someone:hunter2@127.0.0.1/rows.jsonl",
        "postgresql://someone:hunter2@127.0.0.1/shop",
        "s3://key:hunter2@bucket/rows.jsonl",
        "http:/someone:hunter2@127.0.0.1/rows.jsonl",
        "someone:hunter2@127.0.0.1/rows.jsonl",
    ],
)
@pytest.mark.parametrize("read", [lambda address: sources.opened(address).__enter__(), sources.identity])
def test_an_address_that_cannot_be_opened_is_a_wrong_setting_and_shows_no_secret(
    read: Callable[[str], object], address: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(address)
    assert "hunter2" not in str(caught.value)


def test_an_address_with_a_password_is_told_how_a_signed_one_stays_out_of_the_manifest() -> None:
    with pytest.raises(ConfigurationError, match=r"use a signed address \(in a release from a Secret"):
        sources.identity("https://someone:hunter2@127.0.0.1:9/rows.jsonl")
