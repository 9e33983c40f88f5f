"""Objects in S3. No other module talks to S3.

The errors of each request are job errors: see `s3_errors`. A store that does not honour conditional writes is refused before
the first one.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.s3.transfer import TransferConfig

from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from jobs.storage.layout import CONDITIONAL_WRITES_PROBE
from jobs.storage.s3_client import Connection, pauses, read_body
from jobs.storage.s3_errors import CONFLICT, DENIED, LOST, MISSING, NOT_IMPLEMENTED, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

Answer = TypeVar("Answer")

MULTIPART_BYTES = 64 * 1024 * 1024
CONFLICT_ATTEMPTS = 5
_OTHER_ETAG = '"1"'
"""An ETag that no object has. To Google Cloud Storage it is a generation that no object has."""


@dataclass(frozen=True)
class StoredObject:
    """One object below the store's prefix. `etag` changes with its content."""

    key: str
    size: int
    modified: datetime
    etag: str


class MissingObject(NotReadyError):
    """An object does not exist."""


class Store:
    """A prefix of a bucket. Keys are relative to it."""

    def __init__(self, url: str) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self.url = url.rstrip("/")
        self.bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._connection = Connection(self.url)
        self._honours: set[str] = set()

    def at(self, key: str) -> str:
        """Return the full address of a key, for messages and other tools."""
        return f"s3://{self.bucket}/{self._prefix}{key}"

    def relative(self, path: str) -> str:
        """Return a path in the store without the address of the store, which it may have in front, and without slashes at its ends.

        Errors: `ConfigurationError` (78) if it is an address in another store.
        """
        relative = f"{path.rstrip('/')}/".removeprefix(self.at("")).strip("/")
        if "://" in relative:
            raise ConfigurationError(
                f"--path {path} is not in the store {self.url}: set --store to the store that it is in"
            )
        return relative

    def read(self, key: str) -> bytes | None:
        """Return an object's bytes, or None if there is none."""
        stored = self.read_with_etag(key)
        return None if stored is None else stored[0]

    def read_with_etag(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and its ETag, which changes with its content; None if there is none."""

        def get(client: "S3Client") -> tuple[bytes, str]:
            answer = client.get_object(Bucket=self.bucket, Key=self._prefix + key)
            return read_body(answer["Body"]), answer.get("ETag", "")

        try:
            return self._call(get, key)
        except JobError as error:
            code = code_of(error.__cause__)
            if code in MISSING:
                return None
            if code in DENIED:
                self._list_page(key, MaxKeys=1)  # if this is denied too, its error names the permission that is missing
            raise

    def write(self, key: str, data: bytes) -> None:
        """Put an object, replacing the one that exists."""
        self._put(key, data, {})

    def write_if_absent(self, key: str, data: bytes) -> bool:
        """Put an object unless there is one. Returns False if another writer was first.

        Errors: `ConfigurationError` (78) if the server ignores the condition, before anything is written under the key.
        """
        self._require_conditional_writes("If-None-Match", self.honours_if_none_match)
        return self._put_conditionally(key, data, {"IfNoneMatch": "*"})

    def write_if_match(self, key: str, data: bytes, etag: str) -> bool:
        """Replace an object if it still has this ETag. Returns False if it was replaced or removed meanwhile.

        Errors: `ConfigurationError` (78) if the server ignores the condition, before anything is written under the key.
        """
        self._require_conditional_writes("If-None-Match", self.honours_if_none_match)
        self._require_conditional_writes("If-Match", self.honours_if_match)
        return self._put_conditionally(key, data, {"IfMatch": etag})

    def honours_if_none_match(self, key: str) -> bool:
        """Return whether the server refuses to create an object that already exists. Afterwards the object exists."""
        return not all(self._put_conditionally(key, b"", {"IfNoneMatch": "*"}) for _ in range(2))

    def honours_if_match(self, key: str) -> bool:
        """Return whether the server refuses to replace this existing object, which has another ETag than the one given."""
        return not self._put_conditionally(key, b"", {"IfMatch": _OTHER_ETAG})

    def replaces_by_own_etag(self, key: str) -> bool:
        """Return whether the server replaces this existing object when its ETag is given."""
        stored = self.read_with_etag(key)
        return stored is not None and self._put_conditionally(key, stored[0], {"IfMatch": stored[1]})

    def upload(self, key: str, path: Path) -> None:
        """Put a file, a large one in parts."""
        config = TransferConfig(multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES)
        self._call(
            lambda client: client.upload_file(str(path), self.bucket, self._prefix + key, Config=config),
            key,
        )

    def download(self, key: str, path: Path) -> None:
        """Download an object into a file. Errors: `MissingObject` (75) if there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._call(lambda client: client.download_file(self.bucket, self._prefix + key, str(path)), key)
        except NotReadyError as error:
            if code_of(error.__cause__) in MISSING:
                raise MissingObject(str(error)) from error.__cause__
            raise

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yield all objects whose key begins with `prefix`, in the order of their keys."""
        for page in self._list(prefix):
            for listed in page.get("Contents", []):
                key = listed["Key"].removeprefix(self._prefix)
                yield StoredObject(key, listed["Size"], listed["LastModified"], listed["ETag"])

    def has_objects(self, prefix: str) -> bool:
        """Return whether there is an object whose key begins with `prefix`."""
        return bool(self._list_page(prefix, MaxKeys=1).get("Contents"))

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below `prefix`, which ends in a slash.

        Some servers, such as SeaweedFS, also list a folder whose objects have all been deleted: `has_objects()` tells.
        """
        pages = self._list(prefix, Delimiter="/")
        folders = [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", [])]
        return [folder.removeprefix(self._prefix + prefix).rstrip("/") for folder in folders]

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is not an error."""
        self._call(lambda client: client.delete_object(Bucket=self.bucket, Key=self._prefix + key), key)

    def _require_conditional_writes(self, header: str, honours: Callable[[str], bool]) -> None:
        """Raise unless the server honours a header.

        The object of the check stays in the store: once it exists, the check is one request per process. A copy of the store
        on another server is checked again.
        """
        if header in self._honours:
            return
        if not honours(CONDITIONAL_WRITES_PROBE):
            with suppress(JobError):
                self.delete(CONDITIONAL_WRITES_PROBE)
            raise unconditional(self.url, header)
        self._honours.add(header)

    def _put_conditionally(self, key: str, data: bytes, condition: dict[str, Any]) -> bool:
        for attempt, pause in zip(range(CONFLICT_ATTEMPTS), pauses(), strict=False):
            if attempt:
                time.sleep(pause)
            try:
                self._put(key, data, condition)
                return True
            except JobError as error:
                code = code_of(error.__cause__)
                if code in {*LOST, *MISSING}:
                    return False
                if code in NOT_IMPLEMENTED:
                    raise ConfigurationError(
                        f"{unconditional(self.url, 'If-None-Match and If-Match')}. {error}"
                    ) from error
                if code not in CONFLICT:  # another write of the same key is in progress
                    raise
        raise NotReadyError(
            f"S3 answered {CONFLICT_ATTEMPTS} times that another write of {self.at(key)} is in progress: try again later"
        )

    def _put(self, key: str, data: bytes, condition: dict[str, Any]) -> None:
        self._call(
            lambda client: client.put_object(Bucket=self.bucket, Key=self._prefix + key, Body=data, **condition), key
        )

    def _list(self, prefix: str, **options: Any) -> Iterator["ListObjectsV2OutputTypeDef"]:
        """Yield the pages of a listing."""
        page = self._list_page(prefix, **options)
        yield page
        while page.get("IsTruncated"):
            page = self._list_page(prefix, ContinuationToken=page["NextContinuationToken"], **options)
            yield page

    def _list_page(self, prefix: str, **options: Any) -> "ListObjectsV2OutputTypeDef":
        return self._call(
            lambda client: client.list_objects_v2(Bucket=self.bucket, Prefix=self._prefix + prefix, **options), prefix
        )

    def _call(self, request: Callable[["S3Client"], Answer], key: str) -> Answer:
        return self._connection.call(request, self.at(key))


def unconditional(url: str, header: str) -> ConfigurationError:
    """Return the error for a server that ignores a condition of a write."""
    return ConfigurationError(
        f"the S3 server of {url} does not honour {header}, so that two writers could overwrite each other: use a server with "
        "conditional writes (AWS, Google Cloud Storage, R2, MinIO, SeaweedFS)"
    )


def open_input(url: str) -> Any:
    """Return a binary stream of any s3:// object, such as raw rows outside the store."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return Connection(url).call(lambda client: client.get_object(Bucket=bucket, Key=key)["Body"], url)


def head_input(url: str) -> tuple[str, int]:
    """Return the ETag and the size in bytes of any s3:// object, without reading it."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    answer = Connection(url).call(lambda client: client.head_object(Bucket=bucket, Key=key), url)
    return answer.get("ETag", ""), answer["ContentLength"]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
