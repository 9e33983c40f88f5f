"""A small S3 in memory, for servers that behave in a way in which the real one of the tests does not.

A rule looks at each request first and may answer it. Signatures are checked only by `google_rule`.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

ACCESS_KEY, SECRET_KEY = "GOOG1EXAMPLEACCESSKEY", "example-secret"
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"


@dataclass(frozen=True)
class Request:
    """A request as it arrived; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    raw_query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer to send."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeS3:
    """A server that runs: its address, the objects by their path, with generation and content, and its requests.

    `parts`: those of the uploads in parts that are not complete, by path and number. There is one such upload of a path at a time.
    """

    endpoint: str = ""
    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Answer:
        """Answer as S3 does."""
        if request.method == "POST" or "partNumber" in request.query:
            return self._upload_in_parts(request)
        if request.method == "PUT":
            return self._put(request)
        if request.method == "DELETE":
            self.objects.pop(request.path, None)
            return Answer(204)
        if "list-type" in request.query:
            return self._list(request)
        if request.path not in self.objects:
            return error(404, "NoSuchKey", "The specified key does not exist.")
        generation, data = self.objects[request.path]
        headers = {"ETag": etag(data), "Last-Modified": DATE, "x-amz-request-id": "1", "generation": str(generation)}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")):
            first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
            content_range = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
            return Answer(206, data[first : last + 1], headers | content_range)
        return Answer(200, data, headers)

    def _upload_in_parts(self, request: Request) -> Answer:
        """Begin an upload, store a part of it, or make an object of its parts."""
        if request.method == "PUT":
            self.parts[request.path, int(request.query["partNumber"])] = request.body
            return Answer(200, headers={"ETag": etag(request.body)})
        if "uploads" in request.query:
            body = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            return Answer(200, body.encode(), {"Content-Type": "application/xml"})
        own = sorted(key for key in self.parts if key[0] == request.path)
        data = b"".join(self.parts.pop(key) for key in own)
        self.objects[request.path] = (len(self.requests) + 1000, data)
        body = f"<CompleteMultipartUploadResult><ETag>{escape(etag(data))}</ETag></CompleteMultipartUploadResult>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _put(self, request: Request) -> Answer:
        with self.lock:
            old = self.objects.get(request.path)
            if request.headers.get("if-none-match") == "*" and old is not None:
                return error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            if "if-match" in request.headers and (old is None or request.headers["if-match"] != etag(old[1])):
                return error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            generation = len(self.requests) + 1000
            self.objects[request.path] = (generation, request.body)
        return Answer(200, headers={"ETag": etag(request.body), "generation": str(generation)})

    def _list(self, request: Request) -> Answer:
        bucket = request.path.rstrip("/") + "/"
        prefix = bucket + request.query.get("prefix", "")
        items = "".join(
            f"<Contents><Key>{escape(path.removeprefix(bucket))}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            for path, (_, data) in sorted(self.objects.items())
            if path.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})


Rule = Callable[[FakeS3, Request], Answer | None]


@contextmanager
def fake_s3(rule: Rule = lambda _server, _request: None) -> Iterator[FakeS3]:
    """Run a server until the block ends."""
    fake = FakeS3()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake, rule))
    fake.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def error(status: int, code: str, message: str, more: str = "") -> Answer:
    """Return an error as S3 sends it."""
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}<RequestId>1</RequestId></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


def etag(data: bytes) -> str:
    """Return the ETag of an object."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def google_rule(server: FakeS3, request: Request) -> Answer | None:
    """Answer as Google Cloud Storage does.

    It ignores S3's conditions of a write, refuses headers of both kinds in one request, and does not know S3's checksums, which
    break the signature.
    """
    kinds = {name[:6] for name in request.headers if name.startswith(("x-amz-", "x-goog"))}
    if len(kinds) == 2:
        return error(400, "ExcessHeaderValues", "Requests cannot specify both x-amz and x-goog headers.")
    if any(name.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")) for name in request.headers):
        return error(403, "SignatureDoesNotMatch", "Invalid argument.")
    condition = request.headers.get("x-goog-if-generation-match")
    if condition is not None:
        if not has_google_signature(request):
            return error(403, "SignatureDoesNotMatch", "Access denied.")
        generation = server.objects.get(request.path, (0, b""))[0]
        if condition != str(generation):
            return error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
    ignored = {"if-none-match", "if-match"} if request.method == "PUT" else set()
    headers = {name: value for name, value in request.headers.items() if name not in ignored}
    answer = server.answer(Request(**{**vars(request), "headers": headers}))
    more = {"x-guploader-uploadid": "1"}
    if "generation" in answer.headers:
        more["x-goog-generation"] = answer.headers["generation"]
    return Answer(answer.status, answer.body, {**answer.headers, **more})


def has_google_signature(request: Request) -> bool:
    """Return whether a request is signed with `SECRET_KEY`, as the documentation of the V4 signature describes it."""
    kind, _, fields = request.headers.get("authorization", "").partition(" ")
    named = dict(part.strip().split("=", 1) for part in fields.split(","))
    access_key, date, region, service, end = named["Credential"].split("/")
    names = named["SignedHeaders"].split(";")
    unsigned = {name for name in request.headers if name.startswith("x-goog-")} - set(names)
    digest = hashlib.sha256(request.body).hexdigest()
    if kind != "GOOG4-HMAC-SHA256" or unsigned or request.headers["x-goog-content-sha256"] != digest:
        return False
    canonical = [request.method, request.path, request.raw_query]
    canonical += [f"{name}:{request.headers[name]}" for name in names]
    canonical += ["", named["SignedHeaders"], digest]
    hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = "\n".join([kind, request.headers["x-goog-date"], f"{date}/{region}/{service}/{end}", hashed])
    key = b"GOOG4" + SECRET_KEY.encode()
    for part in (date, region, "storage", "goog4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return access_key == ACCESS_KEY and hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == named["Signature"]


def _handler(fake: FakeS3, rule: Rule) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            pass

        def handle_request(self) -> None:
            address = urlsplit(self.path)
            request = Request(
                self.command,
                unquote(address.path),
                dict(parse_qsl(address.query, keep_blank_values=True)),
                address.query,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("Content-Length", 0))),
            )
            fake.requests.append(request)
            answer = rule(fake, request) or fake.answer(request)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    for method in ("GET", "HEAD", "PUT", "DELETE", "POST"):
        setattr(Handler, f"do_{method}", Handler.handle_request)
    return Handler
