"""Conditional writes of Google Cloud Storage, against a server that behaves as its S3 interface does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.process.errors import ConfigurationError
from jobs.storage import artifact, google_storage
from jobs.storage.artifact import Draft, Spec
from jobs.storage.store import Store
from tests.fake_s3 import ACCESS_KEY, SECRET_KEY, FakeS3, fake_s3, google_rule

URL = "s3://acme/prefix"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """Run the server, with credentials for it in the environment."""
    with fake_s3(google_rule) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        monkeypatch.setenv("AWS_REGION", "auto")
        yield server


def test_the_first_writer_wins_and_the_second_one_is_told(google: FakeS3) -> None:
    assert Store(URL).write_if_absent("marker", b"1")
    assert not Store(URL).write_if_absent("marker", b"2")
    assert Store(URL).read("marker") == b"1"


def test_of_concurrent_writers_of_a_missing_key_exactly_one_succeeds(google: FakeS3) -> None:
    stores = [Store(URL) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda number: stores[number].write_if_absent("marker", b"%d" % number), range(4)))
    assert sum(written) == 1
    assert Store(URL).read("marker") == b"%d" % written.index(True)


def test_an_object_is_replaced_only_in_the_generation_that_was_read(google: FakeS3) -> None:
    store = Store(URL)
    store.write("marker", b"old")
    stored = store.read_with_etag("marker")
    assert stored is not None
    assert store.write_if_match("marker", b"new", stored[1])
    assert not store.write_if_match("marker", b"late", stored[1])
    assert store.read("marker") == b"new"


def test_an_object_with_the_same_content_is_a_new_generation(google: FakeS3) -> None:
    store = Store(URL)
    store.write("marker", b"same")
    stored = store.read_with_etag("marker")
    assert stored is not None
    Store(URL).write("marker", b"same")
    assert not store.write_if_match("marker", b"late", stored[1])


def test_artifacts_are_made_once_and_replaced(google: FakeS3, tmp_path: Path) -> None:
    def build(work: Draft) -> dict[str, int]:
        (tmp_path / "large").write_bytes(b"data")
        work.add("file", tmp_path / "large")
        return {}

    spec = Spec(Store(URL), "things/one", "thing", {"rows": 3}, {})
    made = artifact.make_once(spec, build)
    assert artifact.make_once(spec, build) == made
    changed = Spec(Store(URL), "things/one", "thing", {"rows": 4}, {})
    assert artifact.make_once(changed, build, replace_outdated=True).manifest.settings == {"rows": 4}


def test_a_wrong_secret_is_a_wrong_setting(google: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(ConfigurationError, match="refuses these credentials"):
        Store(URL).write_if_absent("marker", b"1")


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://storage.googleapis.com", True),
        ("https://storage.us-central1.rep.googleapis.com/", True),
        ("https://acme.storage.googleapis.com:443", True),
        ("https://googleapis.com.example", False),
        ("https://notgoogleapis.com", False),
        ("http://127.0.0.1:9000", False),
        ("AWS", False),
    ],
)
def test_the_endpoints_of_google_are_recognised(endpoint: str, expected: bool) -> None:
    assert google_storage.is_google(endpoint) is expected
