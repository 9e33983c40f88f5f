"""Objects in S3. No other module talks to S3.

A service that does not answer is `NotReadyError` (75), refused credentials or a missing bucket `ConfigurationError` (78).
botocore retries connection errors, 5xx and throttling; nothing else is retried.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3.session
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore import exceptions as boto
from botocore.config import Config

from jobs.process.errors import ConfigurationError, JobError, NotReadyError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MULTIPART_BYTES = 64 * 1024 * 1024
CONFLICT_ATTEMPTS = 5
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
        """Return the full address of a key, for messages and other tools."""
        return f"s3://{self.bucket}/{self._prefix}{key}"

    def read(self, key: str) -> bytes | None:
        """Return an object's bytes, or None if there is none."""
        stored = self.read_with_etag(key)
        return None if stored is None else stored[0]

    def read_with_etag(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and its ETag, which changes with its content; None if there is none."""
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=self._prefix + key)
            return answer["Body"].read(), answer["ETag"]
        except Exception as error:
            if _code(error) in _MISSING:
                return None
            raise self._translated(error, key) from error

    def write(self, key: str, data: bytes) -> None:
        """Put an object, replacing the one that exists."""
        self._put(key, data, {})

    def write_if_absent(self, key: str, data: bytes) -> bool:
        """Put an object unless there is one. Returns False if another writer was first."""
        return self._put_conditionally(key, data, {"IfNoneMatch": "*"})

    def write_if_match(self, key: str, data: bytes, etag: str) -> bool:
        """Replace an object if it still has this ETag. Returns False if it was replaced or removed meanwhile."""
        return self._put_conditionally(key, data, {"IfMatch": etag})

    def upload(self, key: str, path: Path) -> None:
        """Put a file, a large one in parts."""
        config = TransferConfig(multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES)
        try:
            self._client.upload_file(str(path), self.bucket, self._prefix + key, Config=config)
        except Exception as error:
            raise self._translated(error, key) from error

    def download(self, key: str, path: Path) -> None:
        """Download an object into a file. Errors: `NotReadyError` (75) if there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._client.download_file(self.bucket, self._prefix + key, str(path))
        except Exception as error:
            raise self._translated(error, key) from error

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yield all objects whose key begins with `prefix`, in the order of their keys."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for listed in page.get("Contents", []):
                    key = listed["Key"].removeprefix(self._prefix)
                    yield StoredObject(key, listed["Size"], listed["LastModified"], listed["ETag"])
        except Exception as error:
            raise self._translated(error, prefix) from error

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below `prefix`, which ends in a slash."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._prefix + prefix, Delimiter="/"
            )
            folders = [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", [])]
        except Exception as error:
            raise self._translated(error, prefix) from error
        return [folder.removeprefix(self._prefix + prefix).rstrip("/") for folder in folders]

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is not an error."""
        try:
            self._client.delete_object(Bucket=self.bucket, Key=self._prefix + key)
        except Exception as error:
            raise self._translated(error, key) from error

    def _put_conditionally(self, key: str, data: bytes, condition: dict[str, Any]) -> bool:
        for _ in range(CONFLICT_ATTEMPTS):
            try:
                self._put(key, data, condition)
                return True
            except JobError as error:
                cause = _code(error.__cause__) if error.__cause__ else None
                if cause in {"412", "PreconditionFailed", *_MISSING}:
                    return False
                if cause not in {"409", "ConditionalRequestConflict"}:  # another write of the same key is in progress
                    raise
        raise NotReadyError(
            f"S3 answered {CONFLICT_ATTEMPTS} times that another write of {self.at(key)} is in progress: try again later"
        )

    def _put(self, key: str, data: bytes, condition: dict[str, Any]) -> None:
        try:
            self._client.put_object(Bucket=self.bucket, Key=self._prefix + key, Body=data, **condition)
        except Exception as error:
            raise self._translated(error, key) from error

    def _translated(self, error: Exception, key: str) -> Exception:
        return _as_job_error(error, self.at(key))


def open_input(url: str) -> Any:
    """Return a binary stream of any s3:// object, such as raw rows outside the store."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        return _client().get_object(Bucket=bucket, Key=key)["Body"]
    except Exception as error:
        raise _as_job_error(error, url) from error


def head_input(url: str) -> tuple[str, int]:
    """Return the ETag and the size in bytes of any s3:// object, without reading it."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        answer = _client().head_object(Bucket=bucket, Key=key)
    except Exception as error:
        raise _as_job_error(error, url) from error
    return answer["ETag"], answer["ContentLength"]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _client() -> "S3Client":
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path"} if _endpoint_is_custom() else {},
    )
    return boto3.session.Session().client(
        "s3", config=config
    )  # the default session keeps the credentials of its first use


def _endpoint_is_custom() -> bool:
    return bool(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))


def _code(error: BaseException) -> str | None:
    return str(error.response["Error"].get("Code")) if isinstance(error, boto.ClientError) else None


def _as_job_error(error: Exception, where: str) -> Exception:
    if isinstance(error, S3UploadFailedError) and isinstance(error.__context__, Exception):
        return _as_job_error(error.__context__, where)
    code = _code(error)
    if code in _REFUSED:
        return ConfigurationError(
            f"S3 refuses these credentials for {where} ({code}): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "the pod's role, and their permissions"
        )
    if code == "NoSuchBucket":
        return ConfigurationError(
            f"the bucket of {where} does not exist: create it, or correct --store (SKUSCRIBE_STORE)"
        )
    if code in _MISSING:
        return NotReadyError(f"{where} does not exist")
    if code in {"501", "NotImplemented"}:
        return ConfigurationError(
            f"this S3 server does not support conditional writes (If-None-Match, If-Match), which {where} needs: "
            "use one that does (AWS, R2, MinIO, SeaweedFS)"
        )
    if code in {"InvalidRequest", "InvalidArgument", "InvalidBucketName", "400"}:
        return ConfigurationError(f"S3 rejects the request for {where} as invalid: {error}")
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
            f"S3 cannot be reached for {where} ({type(error).__name__}: {error}): check AWS_ENDPOINT_URL_S3, and that the "
            "service runs"
        )
    return error
