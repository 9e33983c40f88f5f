"""A client of S3 that adapts to the server: to one that refuses checksum headers, and to Google Cloud Storage.

botocore repeats a request that got no answer, 5xx or throttling. Here a request is repeated too when its answer broke off.
"""

import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

import boto3.session
from botocore.config import Config

from jobs.process import log
from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from jobs.process.settings import without_secrets
from jobs.storage import s3_errors
from jobs.storage.google_storage import GoogleStorage, is_google

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Answer = TypeVar("Answer")
Checksums = Literal["when_supported", "when_required"]

BROKEN_ANSWER_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.1
_CHECKSUMS_REFUSED = {
    "400", "411", "501", "BadRequest", "InvalidArgument", "InvalidRequest", "MalformedTrailerError", "MissingContentLength",
    "NotImplemented", "SignatureDoesNotMatch",
}  # fmt: skip
"""Answers of servers that don't know the checksum headers: Google Cloud Storage's is SignatureDoesNotMatch."""

_REDIRECTS = {301, 302, 303, 307, 308}
_SERVER_HEADERS = ("x-amz-", "x-goog-", "x-guploader-")
_IN_ERROR = re.compile(rb"<(Code|Message|Endpoint)>(.*?)</\1>", re.DOTALL)


class Connection:
    """A client for one address, whose requests raise job errors."""

    def __init__(self, where: str) -> None:
        try:
            self._client = _client()
        except Exception as error:
            if isinstance(error, ValueError):  # botocore's, for an endpoint that is not an address
                text = s3_errors.without_keys(str(error))
                raise ConfigurationError(f"the S3 settings for {where} are wrong ({text}): correct them") from error
            raise _translated(error, where) from error

    def call(self, request: Callable[["S3Client"], Answer], where: str) -> Answer:
        """Return what `request(client)` returns. Errors: job errors that name `where`, each with botocore's as its cause."""
        try:
            return _repeated(request, self._client)
        except Exception as error:
            if s3_errors.code_of(error) not in _CHECKSUMS_REFUSED or not self._sends_checksums:
                raise _translated(error, where) from error
            return self._call_without_checksums(request, where, error)

    @property
    def _sends_checksums(self) -> bool:
        config: Any = self._client.meta.config
        return "when_supported" in (config.request_checksum_calculation, config.response_checksum_validation)

    def _call_without_checksums(
        self, request: Callable[["S3Client"], Answer], where: str, refusal: Exception
    ) -> Answer:
        """Repeat a refused request without checksums, and send none from now on if they were the reason."""
        client = _client("when_required")
        try:
            answer = _repeated(request, client)
        except Exception as error:
            if s3_errors.code_of(error) == s3_errors.code_of(refusal):
                raise _translated(refusal, where) from refusal
            self._client = client
            raise _translated(error, where) from error
        self._client = client
        log.info("S3 server refuses checksum headers, sending none", answer=s3_errors.code_of(refusal))
        return answer


def endpoint() -> str:
    """Return the endpoint that the environment names, or "AWS"."""
    address = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return without_secrets(address) if address else "AWS"


def _client(checksums: Checksums | None = None) -> "S3Client":
    """Return a client; without `checksums`, AWS_REQUEST_CHECKSUM_CALCULATION decides, and its default is when_supported."""
    # The default session would keep the credentials of its first use. boto3 does not read AWS_REGION by itself.
    session = boto3.session.Session(region_name=os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION"))
    custom = endpoint() != "AWS"
    google = custom and is_google(endpoint())
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path"} if custom else {},
    )
    if google or checksums:
        chosen = checksums or "when_required"
        config = config.merge(Config(request_checksum_calculation=chosen, response_checksum_validation=chosen))
    client = session.client("s3", config=config)
    client.meta.events.register_first("needs-retry.s3", _refuse_answers_of_other_servers)
    GoogleStorage(google, session.get_credentials()).register(client)
    return client


def _repeated(request: Callable[["S3Client"], Answer], client: "S3Client") -> Answer:
    for attempt in range(1, BROKEN_ANSWER_ATTEMPTS):
        try:
            return request(client)
        except Exception as error:
            if not s3_errors.is_broken_answer(error):
                raise
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
    return request(client)


def _translated(error: Exception, where: str) -> Exception:
    return s3_errors.as_job_error(error, where)


def _refuse_answers_of_other_servers(response: tuple[Any, dict[str, Any]] | None, **_more: Any) -> None:
    """Raise a job error for a redirect to another address, which botocore follows without end, and for a web page."""
    if response is None:
        return
    answer, parsed = response
    status, headers = answer.raw.status, answer.headers  # botocore turns the status of an unexpected answer into 500
    if status in _REDIRECTS and not headers.get("x-amz-bucket-region") and b"<Region>" not in answer.content:
        raise _redirect(status, headers.get("Location"), answer.content)
    is_page = str(headers.get("Content-Type", "")).lower().startswith("text/html")
    if is_page and status < 500 and not any(name.lower().startswith(_SERVER_HEADERS) for name in headers):
        if "Body" in parsed:
            parsed["Body"].close()
        raise ConfigurationError(
            f"the endpoint {endpoint()} answered {status} with a web page (HTML), expected S3: set AWS_ENDPOINT_URL_S3 to the "
            "address of the S3 interface, which is not that of its console"
        )


def _redirect(status: int, location: str | None, body: bytes) -> JobError:
    found = {name.decode(): text.decode(errors="replace") for name, text in _IN_ERROR.findall(body)}
    if found.get("Code") == "TemporaryRedirect":
        return NotReadyError(f"S3 at {endpoint()} answered {status} TemporaryRedirect: try again later")
    if location:
        target = urlsplit(without_secrets(location))
        return ConfigurationError(
            f"the endpoint {endpoint()} redirects ({status}) to {target.scheme}://{target.netloc}, expected S3 itself: set "
            f"AWS_ENDPOINT_URL_S3 to {target.scheme}://{target.netloc} if that is S3"
        )
    answer = ": ".join(found[name] for name in ("Code", "Message") if found.get(name)) or "no message"
    other = f" The bucket's endpoint is {found['Endpoint']}." if found.get("Endpoint") else ""
    return ConfigurationError(
        f"the bucket is in another region, or at another endpoint than {endpoint()} ({status} {s3_errors.without_keys(answer)})."
        f"{other} Correct AWS_REGION and AWS_ENDPOINT_URL_S3"
    )
