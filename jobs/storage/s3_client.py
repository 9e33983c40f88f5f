"""A client of S3 that adapts to the server: to one that refuses checksum headers, and to Google Cloud Storage.

botocore repeats a request after no response, 5xx or throttling. This client also repeats one whose response ends early.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import boto3.session
import botocore.loaders
import botocore.session
from botocore import exceptions as boto
from botocore.config import Config

from jobs.process import log
from jobs.process.delays import delays
from jobs.process.errors import ConfigurationError
from jobs.storage import s3_errors
from jobs.storage.google_storage import GoogleStorage, is_google
from jobs.storage.s3_answers import endpoint, refuse_answers_of_other_servers

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

Answer = TypeVar("Answer")

READ_TIMEOUT_SECONDS = 60
Checksums = Literal["when_supported", "when_required"]

BROKEN_ANSWER_ATTEMPTS = 4
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 3.0
_CHECKSUMS_REFUSED = {
    "400", "411", "501", "BadRequest", "InvalidArgument", "InvalidRequest", "MalformedTrailerError", "MissingContentLength",
    "NotImplemented", "SignatureDoesNotMatch",
}  # fmt: skip
"""Error codes of servers that don't know the checksum headers: Google Cloud Storage's is SignatureDoesNotMatch."""


class Connection:
    """A client for one address, whose requests raise job errors."""

    def __init__(self, where: str) -> None:
        try:
            session = _session()
            self._google = GoogleStorage(is_google(endpoint()), session.get_credentials())
            self._client = _client(session, self._google)
        except Exception as error:
            if isinstance(error, ValueError):  # botocore's, for an endpoint that is not an address
                text = s3_errors.redacted(str(error))
                raise ConfigurationError(
                    f"the S3 settings for {where} are wrong ({text}): correct them. An endpoint is http://HOST:PORT or https://HOST "
                    f"({s3_errors.endpoint_variable()})"
                ) from error
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
        client = _client(_session(), self._google, "when_required")
        try:
            answer = _repeated(request, client)
        except Exception as error:
            code = s3_errors.code_of(error)
            if code == s3_errors.code_of(refusal):
                raise _translated(refusal, where) from refusal
            if code is not None:
                self._client = client
            raise _translated(error, where) from error
        self._client = client
        log.info("S3 server refuses checksum headers, sending none", answer=s3_errors.code_of(refusal))
        return answer


def _session() -> boto3.session.Session:
    """Return a new session: the default one would keep the credentials of its first use.

    boto3 does not read AWS_REGION by itself.
    """
    core = botocore.session.get_session()
    core.register_component("data_loader", _loader())
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    return boto3.session.Session(botocore_session=core, region_name=region)


@cache
def _loader() -> botocore.loaders.Loader:
    """Return the loader of the descriptions of services. It caches them: parsing takes most of the time to create a client."""
    return botocore.loaders.create_loader()


def _client(session: boto3.session.Session, google: GoogleStorage, checksums: Checksums | None = None) -> "S3Client":
    """Return a client; without `checksums`, AWS_REQUEST_CHECKSUM_CALCULATION decides, and its default is when_supported."""
    config = Config(
        connect_timeout=5,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path"} if endpoint() != "AWS" else {},
    )
    if google.active or checksums:
        chosen = checksums or "when_required"
        config = config.merge(Config(request_checksum_calculation=chosen, response_checksum_validation=chosen))
    client = session.client("s3", config=config)
    client.meta.events.register_first("needs-retry.s3", refuse_answers_of_other_servers)
    google.register(client)
    return client


def pauses() -> Iterator[float]:
    """Yield the pauses in seconds between attempts, without end."""
    return delays(FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS)


def read_body(body: "StreamingBody") -> bytes:
    """Return the bytes of a response. Errors: `TimeoutError` instead of that of a request without a response."""
    try:
        return body.read()
    except boto.ReadTimeoutError as error:
        raise TimeoutError("the response was not sent to its end") from error


def _repeated(request: Callable[["S3Client"], Answer], client: "S3Client") -> Answer:
    waits = pauses()
    for _ in range(1, BROKEN_ANSWER_ATTEMPTS):
        try:
            return request(client)
        except Exception as error:
            if not s3_errors.is_broken_answer(error):
                raise
            time.sleep(next(waits))
    return request(client)


def _translated(error: Exception, where: str) -> Exception:
    return s3_errors.as_job_error(error, where)
