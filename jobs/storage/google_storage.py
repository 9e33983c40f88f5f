"""Conditional writes for Google Cloud Storage, through its S3 interface.

It ignores `If-None-Match` and `If-Match` of a write. It compares the generation of an object instead, with the header
`x-goog-if-generation-match`, where 0 means no object. It refuses a request that has headers of both `x-goog-` and
`x-amz-`, so a conditional write is signed with GOOG4-HMAC-SHA256 and the same HMAC key.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

HOST_SUFFIX = "googleapis.com"
GENERATION = "x-goog-generation"
CONDITION = "x-goog-if-generation-match"
_ANSWER_HEADERS = (GENERATION, "x-guploader-uploadid")
_CONTEXT = "skuscribe_generation"


@dataclass
class GoogleStorage:
    """Translates the conditional writes of one client while `active`. It becomes active with the first answer of Google."""

    active: bool
    credentials: "Credentials | None"

    def register(self, client: "S3Client") -> None:
        """Translate the requests and answers of this client."""
        events = client.meta.events
        events.register("before-parse.s3", self._recognise)
        events.register("after-call.s3.GetObject", self._generation_as_etag)
        events.register("before-parameter-build.s3.PutObject", self._take_condition)
        events.register("choose-signer.s3.PutObject", self._leave_unsigned)
        events.register("before-sign.s3.PutObject", self._sign)

    def _recognise(self, response_dict: dict[str, Any], **_more: Any) -> None:
        headers = response_dict["headers"]
        self.active = self.active or any(headers.get(name) for name in _ANSWER_HEADERS)

    def _generation_as_etag(self, http_response: Any, parsed: dict[str, Any], **_more: Any) -> None:
        generation = http_response.headers.get(GENERATION)
        if generation and http_response.status_code < 300:
            parsed["ETag"] = generation

    def _take_condition(self, params: dict[str, Any], context: dict[str, Any], **_more: Any) -> None:
        if not self.active:
            return
        if params.pop("IfNoneMatch", None):
            context[_CONTEXT] = "0"
        elif etag := params.pop("IfMatch", None):
            context[_CONTEXT] = etag.strip('"')

    def _leave_unsigned(self, context: dict[str, Any], **_more: Any) -> Any:
        return botocore.UNSIGNED if _CONTEXT in context else None

    def _sign(self, request: AWSRequest, region_name: str, **_more: Any) -> None:
        if _CONTEXT not in request.context:
            return
        if self.credentials is None:
            raise NoCredentialsError
        for name in [name for name in request.headers if name.lower().startswith("x-amz-")]:
            del request.headers[name]
        key = self.credentials.get_frozen_credentials()
        request.headers[CONDITION] = request.context[_CONTEXT]
        sign(request, str(key.access_key), str(key.secret_key), region_name or "auto", datetime.now(UTC))


def is_google(endpoint: str) -> bool:
    """Return whether an endpoint belongs to Google Cloud Storage."""
    host = urlsplit(endpoint).hostname or ""
    return host == HOST_SUFFIX or host.endswith("." + HOST_SUFFIX)


def sign(request: AWSRequest, access_key: str, secret_key: str, region: str, now: datetime) -> None:
    """Add the date, the digest of the body and the signature to a request."""
    digest = _sha256(request.body)
    address = urlsplit(str(request.url))
    for name, value in (("x-goog-date", f"{now:%Y%m%dT%H%M%SZ}"), ("x-goog-content-sha256", digest)):
        del request.headers[name]
        request.headers[name] = value
    signed = {
        name.lower(): value.strip() for name, value in request.headers.items() if name.lower().startswith("x-goog-")
    }
    signed["host"] = address.netloc.rpartition("@")[2]
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = f"{request.method}\n{address.path or '/'}\n{address.query}\n{lines}\n{names}\n{digest}"
    scope = f"{now:%Y%m%d}/{region}/storage/goog4_request"
    text = f"GOOG4-HMAC-SHA256\n{signed['x-goog-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"GOOG4{secret_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    del request.headers["Authorization"]
    request.headers["Authorization"] = (
        f"GOOG4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )


def _sha256(body: Any) -> str:
    """Return the SHA-256 of the rest of a body, which may be a stream. The position of the stream does not change."""
    if not hasattr(body, "read"):
        return hashlib.sha256(body or b"").hexdigest()
    position = body.tell()
    digest = hashlib.sha256(body.read()).hexdigest()
    body.seek(position)
    return digest
