"""The store against servers that behave in other ways than AWS: each fault is named, with the right exit code."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jobs.process.errors import ConfigurationError, InputError, JobError, NotReadyError
from jobs.storage import artifact, s3_client
from jobs.storage.artifact import Draft, Spec
from jobs.storage.layout import CONDITIONAL_WRITES_PROBE
from jobs.storage.store import Store, head_input, open_input
from tests.certificates import certificate_files
from tests.fake_s3 import DATE, Answer, FakeS3, Request, Rule, error, fake_s3

pytestmark = pytest.mark.slow

KEY_ID, SECRET = "AKIAEXAMPLEEXAMPLE12", "example-secret-of-the-tests"
URL = "s3://acme/prefix"
Served = Callable[[Rule], AbstractContextManager[tuple[FakeS3, Store]]]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(s3_client, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return a function that runs a server with a rule and yields it with a store in it."""

    @contextmanager
    def serve(rule: Rule) -> Iterator[tuple[FakeS3, Store]]:
        with fake_s3(rule) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
            yield server, Store(URL)

    return serve


def always(answer: Answer) -> Rule:
    return lambda _server, _request: answer


def requests_of(store: Store) -> list[Callable[[], object]]:
    """Return a read, a write, a listing and a deletion."""
    return [
        lambda: store.read("x"),
        lambda: store.write("x", b"1"),
        lambda: list(store.objects("")),
        lambda: store.delete("x"),
    ]


def on(method: str, answer: Answer, header: str = "") -> Rule:
    """Return a rule that answers requests of a method which have a header that begins so."""

    def rule(_server: FakeS3, request: Request) -> Answer | None:
        matches = request.method == method and any(name.startswith(header) for name in request.headers)
        return answer if matches else None

    return rule


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_names_the_address_to_set(served: Served, status: int) -> None:
    moved = Answer(status, headers={"Location": "https://store.example:9443/acme/x?X-Amz-Signature=abc"})
    with served(always(moved)) as (_, store):
        requests: list[Callable[[], object]] = [*requests_of(store), lambda: head_input(f"{URL}/x")]
        for request in requests:
            with pytest.raises(ConfigurationError) as caught:
                request()
            assert "set AWS_ENDPOINT_URL_S3 to https://store.example:9443 " in str(caught.value)
            assert "abc" not in str(caught.value)


def test_a_bucket_in_another_region_without_the_region_in_the_answer_is_a_wrong_setting(served: Served) -> None:
    answer = error(301, "PermanentRedirect", "Use the specified endpoint.", "<Endpoint>acme.example</Endpoint>")
    with served(always(answer)) as (_, store), pytest.raises(ConfigurationError, match=r"acme\.example.*AWS_REGION"):
        store.read("x")


@pytest.fixture(scope="module")
def refusing() -> Iterator[tuple[list[Answer], Store]]:
    """Run a server that gives the last answer of a list to every request. Yields the list and a store in the server."""
    answers: list[Answer] = []
    with fake_s3(lambda _server, _request: answers[-1]) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
            patch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
            patch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
            patch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
            store = Store(URL)
        yield answers, store


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "AuthorizationHeaderMalformed", ConfigurationError),
        (400, "IllegalLocationConstraintException", ConfigurationError),
        (400, "InvalidArgument", ConfigurationError),
        (400, "KMS.DisabledException", ConfigurationError),
        (400, "SomethingNew", ConfigurationError),
        (403, "AccessDenied", ConfigurationError),
        (403, "InvalidAccessKeyId", ConfigurationError),
        (403, "InvalidObjectState", ConfigurationError),
        (403, "SignatureDoesNotMatch", ConfigurationError),
        (404, "NoSuchBucket", ConfigurationError),
        (405, "MethodNotAllowed", ConfigurationError),
        (501, "NotImplemented", ConfigurationError),
        (400, "InvalidIdentityToken", ConfigurationError),
        (400, "BadDigest", NotReadyError),
        (400, "ExpiredToken", NotReadyError),
        (400, "ExpiredTokenException", NotReadyError),
        (403, "RequestTimeTooSkewed", NotReadyError),
        (400, "RequestTimeout", NotReadyError),
        (408, "SomethingNew", ConfigurationError),
        (429, "TooManyRequests", NotReadyError),
        (500, "InternalError", NotReadyError),
        (503, "SlowDown", NotReadyError),
        (503, "SomethingNew", NotReadyError),
        (507, "XMinioStorageFull", NotReadyError),
    ],
)
def test_each_answer_is_a_wrong_setting_or_not_ready_and_its_code_and_message_are_quoted(
    refusing: tuple[list[Answer], Store], monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type[JobError]
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # botocore's pauses between its attempts
    answers, store = refusing
    answers.append(error(status, code, f"The words of S3 about {KEY_ID}."))
    for request in requests_of(store):
        with pytest.raises(kind) as caught:
            request()
        assert f"{code}: The words of S3 about ***" in str(caught.value)
        assert KEY_ID not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "words", "advice"),
    [
        ("ExpiredToken", "The provided token has expired.", "AWS_SESSION_TOKEN, or the pod's role"),
        ("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider", "the pod's role"),
        ("RequestTimeTooSkewed", "The difference is too large.", "set its clock"),
    ],
)
def test_what_a_new_pod_may_not_meet_again_is_not_ready_and_has_the_advice_of_a_wrong_setting(
    refusing: tuple[list[Answer], Store], code: str, words: str, advice: str
) -> None:
    answers, store = refusing
    answers.append(error(400, code, words))
    with pytest.raises(NotReadyError, match=advice):
        store.read("x")


def test_no_message_shows_a_key_or_a_signature(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "example-token")
    words = (
        f"{KEY_ID} ASIAOTHEREXAMPLE1234 GOOG1OTHEREXAMPLE123 {SECRET} example-token https://user:word@host/ "
        "https://host/x?X-Amz-Credential=key/1&X-Amz-Signature=0123abc AWS4-HMAC-SHA256 Credential=key/2, Signature=4567def"
    )
    with served(always(error(403, "AccessDenied", words))) as (_, store), pytest.raises(ConfigurationError) as caught:
        store.read("x")
    secret = r"AKIA|ASIA|GOOG1|example-|user:word|key/1|key/2|0123abc|4567def"
    assert re.findall(secret, str(caught.value)) == []


@pytest.mark.parametrize(
    ("method", "status", "code"),
    [
        ("PUT", 501, "NotImplemented"),
        ("PUT", 400, "InvalidArgument"),
        ("PUT", 403, "SignatureDoesNotMatch"),
        ("GET", 501, "NotImplemented"),
        ("HEAD", 501, "NotImplemented"),
    ],
)
def test_a_server_that_refuses_checksum_headers_is_sent_none(
    served: Served, tmp_path: Path, status: int, code: str, method: str
) -> None:
    rule = on(method, error(status, code, "Unsupported header."), "x-amz-checksum")
    with served(rule) as (server, store):
        assert store.write_if_absent("a", b"1")
        assert not store.write_if_absent("a", b"2")
        (tmp_path / "file").write_bytes(b"3")
        store.upload("b", tmp_path / "file")
        store.download("b", tmp_path / "back")
        assert (store.read("a"), (tmp_path / "back").read_bytes()) == (b"1", b"3")
        assert open_input(f"{URL}/a").read() == b"1"
        assert head_input(f"{URL}/a")[1] == 1
        sent = len(server.requests)
        assert store.read("a") == b"1"
        assert len(server.requests) == sent + 1  # it is not tried again


def test_checksums_are_still_sent_after_a_refusal_that_has_another_reason(served: Served) -> None:
    with served(on("GET", error(400, "InvalidRequest", "no"), "x-amz-checksum-mode")) as (_, store):
        assert store.read("x") is None  # without checksums it passes
    with served(
        lambda _server, request: error(400, "InvalidRequest", "no") if request.path.endswith("bad") else None
    ) as (
        server,
        store,
    ):
        with pytest.raises(ConfigurationError, match="InvalidRequest: no"):
            store.read("bad")
        store.read("good")
        assert "x-amz-checksum-mode" in server.requests[-1].headers


@pytest.mark.parametrize("condition", ["if-none-match", "if-match"])
def test_a_server_without_conditional_writes_is_told_from_one_without_checksums(served: Served, condition: str) -> None:
    rule = on("PUT", error(501, "NotImplemented", "A header is not implemented."), condition)
    message = r"does not honour If-None-Match.*A header is not implemented"
    with served(rule) as (_, store), pytest.raises(ConfigurationError, match=message):
        store.write_if_match("x", b"1", '"0"')


def ignoring(*headers: str) -> Rule:
    """Return a rule by which the conditions of a write are ignored."""

    def rule(server: FakeS3, request: Request) -> Answer:
        kept = {name: value for name, value in request.headers.items() if name not in headers}
        return server.answer(Request(**{**vars(request), "headers": kept}))

    return rule


def commit(store: Store, *, replace_outdated: bool = False, rows: int = 3) -> None:
    def build(work: Draft) -> dict[str, int]:
        work.add_bytes("file", b"data")
        return {}

    artifact.make_once(Spec(store, "things/one", "thing", {"rows": rows}, {}), build, replace_outdated=replace_outdated)


def test_the_first_commit_refuses_a_server_that_ignores_if_none_match_and_leaves_nothing_visible(
    served: Served,
) -> None:
    with served(ignoring("if-none-match")) as (_, store):
        with pytest.raises(ConfigurationError, match="does not honour If-None-Match"):
            commit(store)
        assert artifact.find(store, "things/one") is None
        assert store.read(CONDITIONAL_WRITES_PROBE) is None


def test_a_replacement_refuses_a_server_that_ignores_if_match(served: Served) -> None:
    with served(ignoring("if-match")) as (_, store):
        commit(store)
        with pytest.raises(ConfigurationError, match="does not honour If-Match"):
            commit(store, replace_outdated=True, rows=4)
        found = artifact.find(store, "things/one")
        assert found is not None
        assert found.manifest.settings == {"rows": 3}


def test_a_checked_store_that_was_copied_to_another_server_is_checked_again(served: Served) -> None:
    with served(lambda _server, _request: None) as (good, store):
        commit(store)
        copied = dict(good.objects)
    with served(ignoring("if-none-match")) as (bad, store):
        bad.objects.update(copied)
        with pytest.raises(ConfigurationError, match="does not honour If-None-Match"):
            store.write_if_absent("x", b"1")


def test_a_checked_store_costs_one_more_request_per_process(served: Served) -> None:
    with served(lambda _server, _request: None) as (server, store):
        store.write_if_absent("a", b"1")
        first = len(server.requests)
        again = Store(URL)
        for key in ("b", "c", "d"):
            again.write_if_absent(key, b"1")
        assert len(server.requests) - first == 4


def unlisted(objects_too: bool) -> Rule:
    """Return a rule for credentials without s3:ListBucket, and without s3:GetObject too if `objects_too`."""

    def rule(server: FakeS3, request: Request) -> Answer | None:
        missing = request.method in ("GET", "HEAD") and request.path not in server.objects
        if missing or (objects_too and request.method == "GET"):
            return error(403, "AccessDenied", "Access Denied")
        return None

    return rule


def test_a_missing_object_without_the_permission_to_list_names_that_permission(served: Served) -> None:
    with served(unlisted(objects_too=False)) as (_, store):
        with pytest.raises(ConfigurationError, match=r"does not allow ListObjectsV2.*s3:ListBucket"):
            store.read("missing")
        with pytest.raises(ConfigurationError, match=r"does not allow HeadObject.*s3:ListBucket"):
            head_input(f"{URL}/missing")


@pytest.mark.parametrize(
    ("method", "permission"), [("GET", "s3:GetObject"), ("PUT", "s3:PutObject"), ("DELETE", "s3:DeleteObject")]
)
def test_a_forbidden_operation_names_the_missing_permission(served: Served, method: str, permission: str) -> None:
    def rule(_server: FakeS3, request: Request) -> Answer | None:
        denied = request.method == method and "list-type" not in request.query
        return error(403, "AccessDenied", "Access Denied") if denied else None

    with served(rule) as (_, store), pytest.raises(ConfigurationError, match=permission):
        {"GET": store.read, "PUT": lambda key: store.write(key, b"1"), "DELETE": store.delete}[method]("x")


PAGE = b"<!doctype html><html><title>Console</title></html>"


@pytest.mark.parametrize("status", [200, 401, 403, 404, 405])
def test_a_web_page_in_place_of_s3_names_the_endpoint_and_advises_no_deletion(served: Served, status: int) -> None:
    page = Answer(status, PAGE, {"Content-Type": "text/html; charset=utf-8", "ETag": '"x"', "Last-Modified": DATE})
    with served(always(page)) as (server, store):
        requests: list[Callable[[], object]] = [*requests_of(store), lambda: artifact.find(store, "things/one")]
        for request in requests:
            with pytest.raises(ConfigurationError, match=r"web page \(HTML\).*AWS_ENDPOINT_URL_S3") as caught:
                request()
            assert "remove" not in str(caught.value)
            assert server.endpoint in str(caught.value)


def test_a_web_page_of_a_proxy_whose_server_is_down_is_not_ready(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    page = Answer(502, PAGE, {"Content-Type": "text/html"})
    with served(always(page)) as (_, store), pytest.raises(NotReadyError, match="502"):
        store.read("x")


@pytest.mark.parametrize("data", [PAGE, b"{}", b"[1]", b"\xff\xfe", b'{"files": 3, "digest": ""}'])
def test_a_manifest_that_another_program_wrote_advises_no_deletion(served: Served, data: bytes) -> None:
    with served(lambda _server, _request: None) as (_, store):
        store.write("things/one/manifest.json", data)
        with pytest.raises(InputError, match="AWS_ENDPOINT_URL_S3") as caught:
            artifact.find(store, "things/one")
        assert "remove" not in str(caught.value)


def test_an_answer_that_cannot_be_parsed_is_a_wrong_setting(served: Served) -> None:
    other = Answer(200, b"data", {"Last-Modified": "never"})
    with served(always(other)) as (_, store), pytest.raises(ConfigurationError, match=r"not one of S3.*never"):
        store.read("x")


def test_an_answer_that_breaks_off_is_asked_for_again(served: Served) -> None:
    broken = {"GET": 2}

    def rule(server: FakeS3, request: Request) -> Answer | None:
        if request.method == "GET" and broken["GET"]:
            broken["GET"] -= 1
            return Answer(200, b"<ListBucketResult><Contents>", {"Content-Type": "application/xml"})
        return None

    with served(rule) as (_, store):
        store.write("a", b"1")
        assert [stored.key for stored in store.objects("")] == ["a"]


@contextmanager
def silent_server(answer: bytes) -> Iterator[tuple[str, list[socket.socket]]]:
    """Run a server that sends these bytes and nothing more. Yields its endpoint, and its connections so far."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connections.append(listener.accept()[0])
                    connections[-1].recv(65536)
                    connections[-1].sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", connections
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("answer", [b"", b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "1"\r\n\r\nhalf'])
def test_a_server_that_falls_silent_is_asked_four_times(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_SECONDS", 0.2)
    with silent_server(answer) as (endpoint, connections):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(NotReadyError, match="cannot be reached"):
            Store(URL).read("x")
        assert len(connections) == 4


def test_a_conflict_is_repeated_after_pauses(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "FIRST_PAUSE_SECONDS", 1.0)
    slept: list[float] = []
    conflict = on("PUT", error(409, "ConditionalRequestConflict", "another write is in progress"), "if-none-match")
    with served(conflict) as (server, store):
        with monkeypatch.context() as patch, pytest.raises(NotReadyError, match="another write"):
            patch.setattr("jobs.storage.store.time.sleep", slept.append)
            store.honours_if_none_match("x")
        assert len(server.requests) == 5
    assert len(slept) == 4
    assert min(slept) >= 0.5


def test_a_listing_that_never_arrives_whole_is_not_ready(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    half = Answer(200, b"<ListBucketResult><Contents>", {"Content-Type": "application/xml"})
    with served(always(half)) as (_, store), pytest.raises(NotReadyError, match="ListObjectsV2"):
        list(store.objects(""))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_ENDPOINT_URL_S3", "localhost:9000", "S3 settings .* are wrong"),
        ("AWS_ENDPOINT_URL_S3", "http://", "S3 settings .* are wrong"),
        ("AWS_ENDPOINT_URL_S3", "http://user:example-secret-of-the-tests@-bad host", "S3"),
        ("AWS_REGION", "not a region", "S3 settings .* are wrong"),
        ("AWS_PROFILE", "nobody", "S3 settings .* are wrong"),
        ("AWS_MAX_ATTEMPTS", "many", None),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "sometimes", "S3 settings .* are wrong"),
        ("AWS_ACCESS_KEY_ID", KEY_ID + "\n", "line break"),
        ("AWS_SESSION_TOKEN", "example-secret-of-the-tests\n", "line break"),
        ("AWS_CONFIG_FILE", "BROKEN", "S3 settings .* are wrong"),
    ],
)
def test_a_wrong_setting_of_boto_is_a_wrong_setting_and_shows_no_secret(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, message: str | None
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    (tmp_path / "broken").write_text("[default\nregion")
    with served(lambda _server, _request: None):
        monkeypatch.setenv("AWS_DEFAULT_REGION", value if name == "AWS_REGION" else "us-east-1")
        monkeypatch.setenv(name, str(tmp_path / "broken") if value == "BROKEN" else value)
        if message is None:
            Store(URL).read("x")  # boto3 ignores it
            return
        with pytest.raises(ConfigurationError, match=message) as caught:
            Store(URL).read("x")
    assert KEY_ID not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_missing_token_file_is_a_wrong_setting(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/example")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")
    message = r"/nonexistent/token.*AWS_WEB_IDENTITY_TOKEN_FILE"
    with served(lambda _server, _request: None), pytest.raises(ConfigurationError, match=message):
        Store(URL).read("x")


def test_a_missing_ca_bundle_is_a_wrong_setting(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with served(lambda _server, _request: None) as (server, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint.replace("http:", "https:"))
        monkeypatch.setenv("AWS_CA_BUNDLE", "/nonexistent/ca.pem")
        with pytest.raises(ConfigurationError, match="AWS_CA_BUNDLE"):
            Store(URL).read("x")


def test_https_to_a_server_without_it_is_a_wrong_setting(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with served(lambda _server, _request: None) as (server, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint.replace("http:", "https:"))
        with pytest.raises(ConfigurationError, match="does not speak https"):
            Store(URL).read("x")


def test_an_untrusted_certificate_is_a_wrong_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate_files(tmp_path))
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"https://127.0.0.1:{server.server_port}")
        with pytest.raises(ConfigurationError, match=r"not trusted.*AWS_CA_BUNDLE"):
            Store(URL).read("x")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_port_that_answers_with_something_else_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        for _ in range(4):
            connection, _address = listener.accept()
            connection.recv(65536)
            connection.sendall(b"SSH-2.0-other\r\n")
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(NotReadyError, match="cannot be reached"):
        Store(URL).read("x")
    thread.join()
    listener.close()
