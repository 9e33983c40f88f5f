"""Objects in S3: the one place that talks to it.

A missing service is `NotReadyError` (75), refused credentials or a missing bucket `ConfigurationError` (78); nothing is
retried but what botocore itself retries (connection errors, 5xx, throttling).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process.errors import ConfigurationError, JobError, NotReadyError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MULTIPART_BYTES = 64 * 1024 * 1024
_REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class StoredObject:
    """One object below the store's prefix. `etag` changes with its content."""

    key: str
    size: int
    modified: datetime
    etag: str


class Store:
    """A prefix of a bucket. Keys are relative to it."""

    def __init__(self, url: str) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self.url = url.rstrip("/")
        self.bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        try:
            self._client = _client()
        except Exception as error:
            raise _as_job_error(error, self.url) from error

    def at(self, key: str) -> str:
        """The full address of a key, for messages and for other tools."""
        return f"s3://{self.bucket}/{self._prefix}{key}"

    def read(self, key: str) -> bytes | None:
        """An object's bytes, or None where there is none."""
        try:
            return self._client.get_object(Bucket=self.bucket, Key=self._prefix + key)["Body"].read()
        except Exception as error:
            if _code(error) in _MISSING:
                return None
            raise self._translated(error, key) from error

    def write(self, key: str, data: bytes) -> None:
        """Put an object, over what is there."""
        self._put(key, data, {})

    def write_if_absent(self, key: str, data: bytes) -> bool:
        """Put an object unless there is one: False when another writer was first."""
        for _ in range(5):
            try:
                self._put(key, data, {"IfNoneMatch": "*"})
                return True
            except JobError as error:
                cause = _code(error.__cause__) if error.__cause__ else None
                if cause in {"412", "PreconditionFailed"}:
                    return False
                if cause in {"409", "ConditionalRequestConflict"}:
                    continue  # another write of the same key was under way: ask again who won
                raise
        raise NotReadyError(f"five conditional writes of {self.at(key)} met a conflict: try again")

    def upload(self, key: str, path: Path) -> None:
        """Put a file, in parts where it is large."""
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES)
        try:
            self._client.upload_file(str(path), self.bucket, self._prefix + key, Config=config)
        except Exception as error:
            raise self._translated(error, key) from error

    def download(self, key: str, path: Path) -> None:
        """Fetch an object into a file. Errors: `NotReadyError` where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._client.download_file(self.bucket, self._prefix + key, str(path))
        except Exception as error:
            raise self._translated(error, key) from error

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key begins with `prefix`, in the order of their keys."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    yield StoredObject(
                        item["Key"].removeprefix(self._prefix), item["Size"], item["LastModified"], item["ETag"]
                    )
        except Exception as error:
            raise self._translated(error, prefix) from error

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly below `prefix`, which ends in a slash."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._prefix + prefix, Delimiter="/"
            )
            found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        except Exception as error:
            raise self._translated(error, prefix) from error
        return [name.removeprefix(self._prefix + prefix).rstrip("/") for name in found]

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        try:
            self._client.delete_object(Bucket=self.bucket, Key=self._prefix + key)
        except Exception as error:
            raise self._translated(error, key) from error

    def _put(self, key: str, data: bytes, condition: dict[str, Any]) -> None:
        try:
            self._client.put_object(Bucket=self.bucket, Key=self._prefix + key, Body=data, **condition)
        except Exception as error:
            raise self._translated(error, key) from error

    def _translated(self, error: Exception, key: str) -> Exception:
        return _as_job_error(error, self.at(key))


def open_input(url: str) -> Any:
    """A readable binary stream of any s3:// object, for raw rows that live outside the store."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        return _client().get_object(Bucket=bucket, Key=key)["Body"]
    except Exception as error:
        raise _as_job_error(error, url) from error


def head_input(url: str) -> tuple[str, int]:
    """The ETag and the size in bytes of any s3:// object, without reading it."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        found = _client().head_object(Bucket=bucket, Key=key)
    except Exception as error:
        raise _as_job_error(error, url) from error
    return found["ETag"], found["ContentLength"]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _client() -> "S3Client":
    import boto3.session
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path"} if _endpoint_is_custom() else {},
    )
    return boto3.session.Session().client("s3", config=config)  # its own session: the default one keeps old credentials


def _endpoint_is_custom() -> bool:
    import os

    return bool(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))


def _code(error: BaseException) -> str | None:
    from botocore.exceptions import ClientError

    return str(error.response["Error"].get("Code")) if isinstance(error, ClientError) else None


def _as_job_error(error: Exception, where: str) -> Exception:
    from boto3.exceptions import S3UploadFailedError
    from botocore import exceptions as boto

    if isinstance(error, S3UploadFailedError) and isinstance(error.__context__, Exception):
        return _as_job_error(error.__context__, where)
    code = _code(error)
    if code in _REFUSED:
        return ConfigurationError(
            f"S3 refuses these credentials for {where} ({code}): check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY or the pod's role, and what they may do"
        )
    if code == "NoSuchBucket":
        return ConfigurationError(f"there is no bucket for {where}: create it, or correct --store (SKUSCRIBE_STORE)")
    if code in _MISSING:
        return NotReadyError(f"{where} is not there")
    if code in {"501", "NotImplemented"}:
        return ConfigurationError(
            f"this S3 server has no conditional writes (If-None-Match), needed for {where}: "
            "use one that has (AWS, R2, MinIO, SeaweedFS)"
        )
    if code in {"InvalidRequest", "InvalidArgument", "InvalidBucketName", "400"}:
        return ConfigurationError(f"S3 calls the request for {where} invalid: {error}")
    if code is not None:
        return NotReadyError(f"S3 answered {code} for {where}: try again later")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.NoRegionError):
        return ConfigurationError(
            f"no S3 credentials for {where} ({error}): set AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_REGION, or give the pod a role"
        )
    if isinstance(error, boto.ProfileNotFound | boto.InvalidConfigError | boto.ParamValidationError | ValueError):
        return ConfigurationError(f"the S3 settings for {where} are wrong: {error}")
    if isinstance(error, boto.BotoCoreError):
        return NotReadyError(
            f"S3 cannot be reached for {where} ({type(error).__name__}: {error}): is AWS_ENDPOINT_URL_S3 right, "
            "and is the service up?"
        )
    return error
