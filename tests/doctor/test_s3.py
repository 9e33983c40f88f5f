"""`doctor` names what is wrong with an S3 server, and says what it tried."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from jobs.doctor import s3
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage.store import MULTIPART_BYTES, Store
from tests.fake_s3 import (
    ACCESS_KEY,
    DATE,
    SECRET_KEY,
    Answer,
    FakeS3,
    Request,
    Rule,
    error,
    fake_s3,
    google_rule,
)

URL = "s3://acme/prefix"
Served = Callable[[Rule], AbstractContextManager[FakeS3]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return a function that runs a server with a rule, and sets the environment variables for it."""

    @contextmanager
    def serve(rule: Rule) -> Iterator[FakeS3]:
        with fake_s3(rule) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            yield server

    return serve


def test_the_check_leaves_nothing_in_the_store(store: Store) -> None:
    assert "conditional writes and uploads in parts work" in s3.check(store.url)
    assert list(store.objects("")) == []


def test_the_check_passes_on_google_cloud_storage_and_without_checksums(served: Served) -> None:
    def no_checksums(_server: FakeS3, request: Request) -> Answer | None:
        refused = any(name.startswith("x-amz-checksum") for name in request.headers)
        return error(501, "NotImplemented", "not implemented") if refused else None

    for rule in (google_rule, no_checksums):
        with served(rule) as server:
            s3.check(URL)
            assert server.objects == {}


def test_the_check_uploads_a_file_in_parts_and_downloads_it(served: Served) -> None:
    with served(lambda _server, _request: None) as server:
        s3.check(URL)
    sent = [
        request for request in server.requests if request.path.endswith("-file") and request.method in ("PUT", "POST")
    ]
    first, *parts, last = sent
    assert "uploads" in first.query
    assert sorted((part.query["partNumber"], len(part.body)) for part in parts) == [("1", MULTIPART_BYTES), ("2", 1)]
    assert (last.method, last.query) == ("POST", {"uploadId": "1"})
    assert not server.objects
    assert not server.parts


def test_a_server_without_uploads_in_parts_is_named(served: Served) -> None:
    def refused(_server: FakeS3, request: Request) -> Answer | None:
        return error(501, "NotImplemented", "no parts") if "uploads" in request.query else None

    message = r"does not implement CreateMultipartUpload.*tried to upload a file in parts and download it"
    with served(refused), pytest.raises(ConfigurationError, match=message):
        s3.check(URL)


def changed(request: Request, *removed: str) -> Request:
    kept = {name: value for name, value in request.headers.items() if name not in removed}
    return Request(**{**vars(request), "headers": kept})


def denied(*methods: str, listing: bool = False, missing: bool = False) -> Rule:
    """Return a rule for credentials that may not use some methods, not list, or not tell a missing object."""

    def rule(server: FakeS3, request: Request) -> Answer | None:
        lists = "list-type" in request.query
        is_missing = missing and request.method == "GET" and not lists and request.path not in server.objects
        if (lists and listing) or is_missing or (request.method in methods and not lists):
            return error(403, "AccessDenied", "Access Denied")
        return None

    return rule


PAGE = Answer(200, b"<!doctype html><title>Console</title>", {"Content-Type": "text/html", "Last-Modified": DATE})
FAULTS: dict[str, tuple[Rule, str]] = {
    "redirect": (
        lambda _s, _r: Answer(301, headers={"Location": "https://x.example/"}),
        "redirects .301. to https://x.example",
    ),
    "region": (
        lambda _s, _r: error(400, "AuthorizationHeaderMalformed", "expecting 'eu-central-1'"),
        r"another region.*expecting 'eu-central-1'.*AWS_REGION.*tried to list objects; nothing worked before it",
    ),
    "console": (lambda _s, _r: PAGE, "web page"),
    "no listing": (denied(listing=True, missing=True), "s3:ListBucket"),
    "no reading": (denied("GET"), r"s3:GetObject.*tried to read it; worked: list objects, write an object"),
    "no writing": (denied("PUT"), r"s3:PutObject.*tried to write an object; worked: list objects"),
    "no deleting": (denied("DELETE"), r"s3:DeleteObject.*tried to delete both"),
    "ignored If-None-Match": (lambda s, r: s.answer(changed(r, "if-none-match")), "does not honour If-None-Match"),
    "ignored If-Match": (lambda s, r: s.answer(changed(r, "if-match")), "does not honour If-Match"),
    "no conditions": (
        lambda _s, r: error(501, "NotImplemented", "not implemented") if "if-none-match" in r.headers else None,
        "does not honour If-None-Match.*not implemented",
    ),
    "ETags changed by a proxy": (
        lambda s, r: (
            Answer(200, s.answer(r).body, {"ETag": '"weak"', "Last-Modified": DATE})
            if r.method == "GET" and "list-type" not in r.query and r.path in s.objects
            else None
        ),
        "cannot be replaced by its own ETag",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_server_is_named_with_what_was_tried(served: Served, fault: str) -> None:
    rule, message = FAULTS[fault]
    with served(rule) as server, pytest.raises(ConfigurationError, match=message) as caught:
        s3.check(URL)
    assert f"at {server.endpoint}" in str(caught.value)
    assert ACCESS_KEY not in str(caught.value)


def test_the_clock_of_the_machine_is_not_ready(served: Served) -> None:
    wrong = error(403, "RequestTimeTooSkewed", "too large")
    with served(lambda _s, _r: wrong), pytest.raises(NotReadyError, match=r"set its clock.*tried to list objects"):
        s3.check(URL)


def test_a_server_that_stores_something_else_is_named(served: Served) -> None:
    def framed(server: FakeS3, request: Request) -> Answer | None:
        if request.method == "PUT" and request.path.endswith("-file"):
            return server.answer(Request(**{**vars(request), "body": b"10\r\n" + request.body}))
        return None

    with served(framed), pytest.raises(ConfigurationError, match="stores something else than it is sent"):
        s3.check(URL)
