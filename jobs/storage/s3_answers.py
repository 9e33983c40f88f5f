"""Responses that do not come from S3: redirects to another address, and web pages."""

import os
import re
from typing import Any
from urllib.parse import urlsplit

from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from jobs.process.secrets import without_secrets
from jobs.storage.s3_errors import endpoint_variable, redacted

_REDIRECTS = {301, 302, 303, 307, 308}
_SERVER_HEADERS = ("x-amz-", "x-goog-", "x-guploader-")
_IN_ERROR = re.compile(rb"<(Code|Message|Endpoint)>(.*?)</\1>", re.DOTALL)


def endpoint() -> str:
    """Return the endpoint that the environment names, or "AWS"."""
    address = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return without_secrets(address) if address else "AWS"


def refuse_answers_of_other_servers(response: tuple[Any, dict[str, Any]] | None, **_more: Any) -> None:
    """Raise a job error for a redirect to another address, which botocore follows without end, and for a web page."""
    if response is None:
        return
    answer, parsed = response
    status, headers = answer.raw.status, answer.headers  # botocore changes the status of an unexpected response to 500
    if status in _REDIRECTS and not headers.get("x-amz-bucket-region") and b"<Region>" not in answer.content:
        raise _redirect(status, headers.get("Location"), answer.content)
    is_page = str(headers.get("Content-Type", "")).lower().startswith("text/html")
    if is_page and status < 500 and not any(name.lower().startswith(_SERVER_HEADERS) for name in headers):
        if "Body" in parsed:
            parsed["Body"].close()
        raise ConfigurationError(
            f"the endpoint {endpoint()} answered {status} with a web page (HTML), expected S3: set {endpoint_variable()} to the "
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
            f"{endpoint_variable()} to {target.scheme}://{target.netloc} if that is S3"
        )
    answer = ": ".join(found[name] for name in ("Code", "Message") if found.get(name)) or "no message"
    other = f" The bucket's endpoint is {found['Endpoint']}." if found.get("Endpoint") else ""
    return ConfigurationError(
        f"the bucket is in another region, or at another endpoint than {endpoint()} ({status} {redacted(answer)})."
        f"{other} Correct AWS_REGION and {endpoint_variable()}"
    )
