"""Encoders of the hub: the digest follows the revision, and an unreachable hub is told from a model that does not exist.

The hub is a local server and the cache a folder made here: the client library is the real one.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MODEL = "maker/model"
FIRST, SECOND = "1" * 40, "2" * 40


class Hub(BaseHTTPRequestHandler):
    """A hub with one model at a revision that a test chooses."""

    revision = FIRST
    answer: tuple[int, bytes] | None = None

    def do_GET(self) -> None:
        if Hub.answer is not None:
            status, text = Hub.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        exists = self.path == f"/api/models/{MODEL}"
        body = json.dumps({"id": MODEL, "sha": Hub.revision} if exists else {"error": "Repository not found"}).encode()
        self.send_response(200 if exists else 404)
        if not exists:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a hub that serves `MODEL` at `Hub.revision`."""
    Hub.revision, Hub.answer = FIRST, None
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def add_to_cache(cache: Path, revision: str) -> None:
    """Add the snapshot of a revision of `MODEL` to a cache, as a download leaves it."""
    folder = cache / f"models--{MODEL.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(revision)
    (folder / "snapshots" / revision).mkdir(parents=True)
    (folder / "snapshots" / revision / "modules.json").write_text("[]")


def digest(cache: Path, name: str = MODEL, **variables: str) -> tuple[str, str]:
    """Return the digest of an encoder of the hub and the log, or the class and the message of the error."""
    script = (
        "from jobs.retrieval.encoder import Encoder\nfrom jobs.process.errors import JobError\n"
        f"try: print(Encoder({name!r}).digest)\n"
        "except JobError as error: print(type(error).__name__, error.exit_code, error)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"} | variables
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return result.stdout.strip(), result.stderr


def test_another_revision_on_the_hub_gives_another_digest(hub: str, tmp_path: Path) -> None:
    first, _ = digest(tmp_path, HF_ENDPOINT=hub)
    again, _ = digest(tmp_path, HF_ENDPOINT=hub)
    Hub.revision = SECOND
    second, _ = digest(tmp_path, HF_ENDPOINT=hub)
    assert len(first) == 64
    assert first == again != second


def test_offline_the_digest_is_that_of_the_cached_revision(hub: str, tmp_path: Path) -> None:
    online, _ = digest(tmp_path, HF_ENDPOINT=hub)
    add_to_cache(tmp_path, FIRST)
    offline, log = digest(tmp_path, HF_HUB_OFFLINE="1")
    assert offline == online
    assert "cached encoder used" in log
    add_to_cache(tmp_path, SECOND)
    assert digest(tmp_path, HF_HUB_OFFLINE="1")[0] not in ("", online)


def test_without_the_hub_a_downloaded_commit_is_used(hub: str, tmp_path: Path) -> None:
    online, _ = digest(tmp_path, HF_ENDPOINT=hub)
    add_to_cache(tmp_path, FIRST)
    (tmp_path / f"models--{MODEL.replace('/', '--')}" / "refs" / "main").unlink()
    offline, log = digest(tmp_path, HF_HUB_OFFLINE="1")
    assert offline == online
    assert "cached encoder used" in log


def test_a_hub_that_does_not_answer_leaves_the_cached_revision(hub: str, tmp_path: Path) -> None:
    online, _ = digest(tmp_path, HF_ENDPOINT=hub)
    add_to_cache(tmp_path, FIRST)
    assert digest(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")[0] == online


@pytest.mark.parametrize("variables", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_hub_and_cache_the_encoder_is_not_ready(tmp_path: Path, variables: dict[str, str]) -> None:
    message, _ = digest(tmp_path, **variables)
    assert message.startswith("NotReadyError 75 the hub cannot be reached for --encoder 'maker/model'")


@pytest.mark.parametrize("name", ["maker/nothing", "no-such-encoder", "a/path/that/does/not/exist"])
def test_a_model_that_the_hub_does_not_have_is_a_wrong_setting(hub: str, tmp_path: Path, name: str) -> None:
    message, _ = digest(tmp_path, name, HF_ENDPOINT=hub)
    assert message.startswith(f"ConfigurationError 78 --encoder {name!r} is neither a folder nor a model of the hub")


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        ((503, b"busy"), "NotReadyError 75"),
        ((500, b""), "NotReadyError 75"),
        ((429, b"slow down"), "NotReadyError 75"),
        ((401, b"no"), "ConfigurationError 78"),
        ((403, b"no"), "ConfigurationError 78"),
        ((404, b"no"), "ConfigurationError 78"),
        ((200, b"<html>"), "ConfigurationError 78"),
    ],
)
def test_a_hub_that_refuses_is_told_from_one_that_is_busy(
    hub: str, tmp_path: Path, answer: tuple[int, bytes], start: str
) -> None:
    Hub.answer = answer
    message, _ = digest(tmp_path, HF_ENDPOINT=hub, HF_TOKEN="hf_hunter2")
    assert message.startswith(start)
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "address", ["hub.example", "http://127.0.0.1:port", "http://a:hunter2@127.0.0.1:99999", "ftp://h"]
)
def test_an_address_of_the_hub_that_is_none_is_a_wrong_setting(tmp_path: Path, address: str) -> None:
    message, _ = digest(tmp_path, HF_ENDPOINT=address)
    assert message.startswith("ConfigurationError 78 HF_ENDPOINT is")
    assert "hunter2" not in message


def test_an_encoder_named_by_an_address_shows_no_secret(hub: str, tmp_path: Path) -> None:
    message, _ = digest(tmp_path, "https://a:hunter2@hub.example/model?token=hunter2", HF_ENDPOINT=hub)
    assert message.startswith("ConfigurationError 78 --encoder 'https://hub.example/model'")
    assert "hunter2" not in message


def test_a_name_without_an_owner_is_a_model_of_sentence_transformers(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "MODEL", "sentence-transformers/small")
    assert len(digest(tmp_path, "small", HF_ENDPOINT=hub)[0]) == 64
