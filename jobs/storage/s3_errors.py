"""The errors of botocore as job errors, classified by their types and codes.

A wrong setting is `ConfigurationError` (78): credentials, permissions, region, endpoint, certificate, archived object. An error
that a retry or a new pod may not have is `NotReadyError` (75): no connection, throttling, 5xx, a truncated response, a missing
object, an expired token, the clock of a node. Both quote S3's code and message, without keys and signatures.
"""

import os
import re
import ssl
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from boto3.exceptions import Boto3Error, RetriesExceededError, S3UploadFailedError
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from s3transfer.exceptions import RetriesExceededError as TransferRetriesExceededError
from urllib3.exceptions import HTTPError, LocationParseError

from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from jobs.process.secrets import hide

LOCAL_ENVIRONMENT = Path(".skuscribe/environment")
"""The variables of the services of `make run`, in the folder in which it was run."""

MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
LOST = {"412", "PreconditionFailed"}
CONFLICT = {"409", "ConditionalRequestConflict", "OperationAborted"}
NOT_IMPLEMENTED = {"501", "NotImplemented"}
DENIED = {"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled"}

_CREDENTIALS = {
    "401", "AuthFailure", "AuthorizationQueryParametersError", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidIdentityToken", "InvalidSecurity", "InvalidToken", "NotSignedUp", "SignatureDoesNotMatch",
    "UnauthorizedAccess", "UnrecognizedClientException", "AccountProblem",
}  # fmt: skip
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_NO_ISSUER_KEY = "verification key"
"""In the message of InvalidIdentityToken if AWS could not read the keys of the token's issuer, which is temporary."""
_REGION = {
    "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegion", "PermanentRedirect",
}  # fmt: skip
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_LATER = {
    "408", "409", "425", "429", "BadDigest", "ConditionalRequestConflict", "IDPCommunicationError", "IncompleteBody",
    "InternalError", "NoSuchUpload", "OperationAborted", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable",
    "SlowDown", "TemporaryRedirect", "Throttling", "ThrottlingException", "TooManyRequests", "XAmzContentSHA256Mismatch",
}  # fmt: skip
"""Codes of temporary errors, whatever their HTTP status is."""

_PERMISSIONS = {
    "GetObject": "s3:GetObject, and s3:ListBucket on the bucket, without which S3 answers 403 for a missing object too",
    "HeadObject": "s3:GetObject, and s3:ListBucket on the bucket, without which S3 answers 403 for a missing object too",
    "ListObjectsV2": "s3:ListBucket on the bucket, without which S3 also answers 403 for a missing object",
    "DeleteObject": "s3:DeleteObject",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity in the trust policy of the role",
}
_DEFAULT_PERMISSION = "s3:PutObject"  # PutObject and the operations of an upload in parts

_BROKEN = (
    ResponseParserError, boto.ResponseStreamingError, boto.IncompleteReadError, boto.ReadTimeoutError, boto.ChecksumError,
    boto.FlexibleChecksumError, boto.AwsChunkedWrapperError, HTTPError, HTTPException, ConnectionError, TimeoutError,
)  # fmt: skip
_UNREADABLE = (FileNotFoundError, PermissionError, IsADirectoryError)
_UNREACHABLE = (boto.HTTPClientError, boto.ConnectionError, boto.MetadataRetrievalError, boto.CapacityNotAvailableError)
_METADATA_PROVIDERS = {"iam-role", "container-role", "assume-role"}  # services on the network, not files of the user
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_KEY = re.compile(r"\b(?:A[A-Z]{2}A|GOOG)[A-Z0-9]{12,}\b")
_SIGNED = re.compile(
    r"((?:X-(?:Amz|Goog)-)?(?:Signature|Credential|Security-Token)|AWSAccessKeyId)(\s*[=:]\s*)[^\s,&'\"]+",
    re.IGNORECASE,
)
_USER_IN_ADDRESS = re.compile(r"://[^/@\s]+@")


def code_of(error: BaseException | None) -> str | None:
    """Return S3's code of an error, or None if no response of S3 caused it."""
    error = _unwrapped(error)
    return str(error.response.get("Error", {}).get("Code")) if isinstance(error, boto.ClientError) else None


def is_broken_answer(error: BaseException) -> bool:
    """Return whether a response began and did not arrive whole. botocore does not repeat such a request by itself.

    It repeats one that gets no response, `ReadTimeoutError`, which is also its error for the body of a stream: see
    `s3_client.read_body()`.
    """
    return isinstance(error, _BROKEN) and not isinstance(error, boto.ReadTimeoutError)


def as_job_error(error: Exception, where: str) -> Exception:
    """Return the job error for an error of boto3 about the address `where`, or the error itself if it is a defect."""
    cause = _unwrapped(error)
    if isinstance(cause, JobError):
        return cause
    if isinstance(cause, boto.ClientError):
        return _refusal(cause, where)
    if isinstance(cause, (boto.BotoCoreError, Boto3Error, *_BROKEN, *_UNREADABLE)):
        return _failure(cause, where)
    if isinstance(cause, ValueError):  # botocore parses dates and numbers of an answer
        return ConfigurationError(
            f"the answer for {where} is not one of S3 ({_reason(cause)}): check {endpoint_variable()} and the address"
        )
    return error


def redacted(text: str) -> str:
    """Return a text in one line, without credentials, signatures, and the users of addresses."""
    text = hide(text, ((os.environ.get(name) or "").strip() for name in _SECRETS))
    text = _USER_IN_ADDRESS.sub("://***@", _SIGNED.sub(r"\1\2***", _KEY.sub("***", text)))
    return " ".join(text.split())


def endpoint_variable() -> str:
    """Return the variable that names the endpoint of S3: the more specific one, unless only the other is set."""
    is_only_general = os.environ.get("AWS_ENDPOINT_URL") and not os.environ.get("AWS_ENDPOINT_URL_S3")
    return "AWS_ENDPOINT_URL" if is_only_general else "AWS_ENDPOINT_URL_S3"


def _refusal(error: boto.ClientError, where: str) -> JobError:
    """Return the job error for an error response of S3."""
    code, operation = str(code_of(error)), error.operation_name
    message = redacted(str(error.response.get("Error", {}).get("Message") or "no message")).rstrip(".")
    answer = f"{code}: {message}"
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    if code in MISSING:
        return NotReadyError(f"{where} does not exist")
    if code in _LATER:
        return NotReadyError(f"S3 answered {operation} of {where} with {answer}. Try again later")
    if code in _CREDENTIALS or code in _EXPIRED:
        # A new pod has a new token, and AWS may reach the issuer then.
        passes = code in _EXPIRED or (code == "InvalidIdentityToken" and _NO_ISSUER_KEY in message)
        kind = NotReadyError if passes else ConfigurationError
        return kind(
            f"S3 refuses these credentials for {where} ({answer}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
            "AWS_SESSION_TOKEN, or the pod's role"
        )
    if code in DENIED:
        permission = _PERMISSIONS.get(operation, _DEFAULT_PERMISSION)
        return ConfigurationError(
            f"S3 does not allow {operation} of {where} ({answer}): give these credentials the permission {permission}"
        )
    if code == "NoSuchBucket":
        return ConfigurationError(
            f"the bucket of {where} does not exist ({answer}): create it, or correct --store (SKUSCRIBE_STORE)"
        )
    if code in _REGION:
        return ConfigurationError(
            f"the bucket of {where} is in another region, or at another endpoint ({answer}): correct AWS_REGION and "
            f"{endpoint_variable()}"
        )
    if code in _CLOCK:  # a new pod may be on another node
        return NotReadyError(f"S3 refuses the time of this machine for {where} ({answer}): set its clock")
    if code == "InvalidObjectState":
        return ConfigurationError(f"{where} is archived ({answer}): restore it, and exclude the store from archiving")
    if code.startswith("KMS."):
        return ConfigurationError(f"the encryption key of {where} cannot be used ({answer}): enable it, or change it")
    if code in NOT_IMPLEMENTED:
        return ConfigurationError(
            f"S3 does not implement {operation} as {where} needs it ({answer}): use another server"
        )
    if 400 <= status < 500:
        return ConfigurationError(f"S3 rejects {operation} of {where} as invalid ({answer}): check the S3 settings")
    return NotReadyError(f"S3 answered {operation} of {where} with {answer}. Try again later")


def _failure(error: BaseException, where: str) -> JobError:
    """Return the job error for a request without a response, or for a setting that botocore rejects."""
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.NoRegionError):
        local = f". `. {LOCAL_ENVIRONMENT}` sets those of `make run`" if LOCAL_ENVIRONMENT.exists() else ""
        return ConfigurationError(
            f"no S3 credentials for {where} ({redacted(str(error))}): set AWS_ACCESS_KEY_ID, "
            f"AWS_SECRET_ACCESS_KEY and AWS_REGION, or give the pod a role{local}"
        )
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return ConfigurationError(
            f"the certificate of the S3 endpoint for {where} is not trusted ({_reason(error)}): set AWS_CA_BUNDLE to the file "
            "of its certificate authority"
        )
    if any(isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER" for cause in causes):
        return ConfigurationError(
            f"the S3 endpoint for {where} does not speak https ({_reason(error)}): correct {endpoint_variable()}"
        )
    if any(isinstance(cause, _UNREADABLE) for cause in causes):
        return ConfigurationError(
            f"a file that the S3 settings name cannot be read, needed for {where} ({_reason(error)}): check AWS_CA_BUNDLE, "
            "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_CONFIG_FILE"
        )
    if any(isinstance(cause, LocationParseError | UnicodeError) for cause in causes):
        return ConfigurationError(
            f"the S3 endpoint for {where} is not an address ({_reason(error)}): correct {endpoint_variable()}"
        )
    if any(type(cause) is ValueError for cause in causes):  # its message would show the whole header
        return ConfigurationError(
            f"the S3 credentials for {where} contain a character that HTTP headers cannot have, such as a line break: "
            "correct AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN"
        )
    if isinstance(error, boto.CredentialRetrievalError) and error.kwargs.get("provider") in _METADATA_PROVIDERS:
        return NotReadyError(f"no S3 credentials for {where} yet ({_reason(error)}): try again later")
    if isinstance(error, _UNREACHABLE) or is_broken_answer(error):
        return NotReadyError(
            f"S3 cannot be reached for {where} ({_reason(error)}): check {endpoint_variable()}, and that the service runs"
        )
    return ConfigurationError(f"the S3 settings for {where} are wrong ({_reason(error)}): correct them")


def _unwrapped(error: BaseException | None) -> BaseException | None:
    """Return the error inside those of boto3's transfers."""
    if isinstance(error, S3UploadFailedError) and error.__context__ is not None:
        return _unwrapped(error.__context__)
    if isinstance(error, RetriesExceededError | TransferRetriesExceededError):
        return _unwrapped(getattr(error, "last_exception", None)) or error
    return error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes: botocore keeps them as a keyword, urllib3 as an argument."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or current in seen:
            continue
        seen.append(current)
        yield current
        kept = current.kwargs.get("error") if isinstance(current, boto.BotoCoreError) else None
        waiting += [kept, current.__cause__, current.__context__, *current.args, getattr(current, "reason", None)]


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {redacted(str(error))}"
