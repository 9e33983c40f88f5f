"""Where raw rows come from: a path, http(s):// or s3://, as a stream of bytes that counts and digests itself."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

from jobs.process.errors import ConfigurationError, InputError, JobError, NotReadyError
from jobs.process.settings import without_secrets
from jobs.storage.artifact import digest_of
from jobs.storage.store import head_input, open_input

READ_BYTES = 1 << 20
INPUT = "--input (SKUSCRIBE_INPUT)"
TIMEOUT_SECONDS = 60
_GZIP = b"\x1f\x8b"


class Stream(Protocol):
    """A binary stream: `read(n)` returns at most n bytes, none at the end."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""


class Source:
    """The bytes of one address as they are, with their SHA-256 so far."""

    def __init__(self, address: str, stream: Stream, promised_bytes: int | None) -> None:
        self.address = address
        self._stream, self._promised_bytes = stream, promised_bytes
        self._digest, self.bytes_read = hashlib.sha256(), 0

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes. Errors: `NotReadyError` where the connection breaks off."""
        with _translated(self.address):
            data = self._stream.read(size)
        self._digest.update(data)
        self.bytes_read += len(data)
        if not data and self._promised_bytes is not None and self.bytes_read < self._promised_bytes:
            raise NotReadyError(
                f"{self.address} broke off after {self.bytes_read:,} of {self._promised_bytes:,} bytes: try again"
            )
        return data

    def drain(self) -> str:
        """Read to the end; returns the SHA-256 of all bytes, in hexadecimal."""
        while self.read(READ_BYTES):
            pass
        return self._digest.hexdigest()


@contextmanager
def opened(address: str, setting: str = INPUT) -> Iterator[Source]:
    """The bytes at an address, which `setting` names.

    Errors: `ConfigurationError` (78) where there is nothing or it may not be read, `NotReadyError` (75) where a service
    does not answer.
    """
    with _translated(address, setting):
        stream, promised_bytes = _open(address)
    with closing(stream):
        yield Source(without_secrets(address), stream, promised_bytes)


def uncompressed(source: Source) -> Stream:
    """The stream, gunzipped if its first two bytes say that it is gzip. Errors: `InputError` (65) on reading bad gzip."""
    head = b""
    while len(head) < len(_GZIP) and (more := source.read(READ_BYTES)):
        head += more
    whole = _Prefixed(head, source)
    return _Gunzipped(whole, source.address) if head.startswith(_GZIP) else whole


def identity(address: str) -> str | None:
    """What changes when the bytes at an address change, found without reading them; None where nothing tells."""
    with _translated(address):
        marks = _marks(address)
    return digest_of([without_secrets(address), *marks]) if marks else None


class _Prefixed:
    def __init__(self, head: bytes, stream: Stream) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._stream.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


class _Gunzipped:
    """Members one after another; zeros after the last one are padding."""

    def __init__(self, stream: Stream, address: str) -> None:
        from isal import igzip_lib

        self._stream, self._address, self._igzip = stream, address, igzip_lib
        self._member: Any = None
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        while True:
            if not self._waiting and (self._member is None or self._member.needs_input):
                self._waiting = self._stream.read(READ_BYTES)
                if not self._waiting and self._member is not None:
                    raise InputError(f"{self._address} is gzip that breaks off: fetch or make the file again")
                if not self._waiting:
                    return b""
            if self._member is None:
                self._waiting = self._waiting.lstrip(b"\0")
                if not self._waiting:
                    continue
                self._member = self._igzip.IgzipDecompressor(flag=self._igzip.DECOMP_GZIP)
            if out := self._decompressed(size):
                return out

    def _decompressed(self, size: int) -> bytes:
        try:
            out: bytes = self._member.decompress(self._waiting, size)
        except self._igzip.error as error:  # type: ignore[misc]  # its stubs call it an instance
            raise InputError(f"{self._address} is broken gzip ({error}): fetch or make the file again") from error
        self._waiting = b""
        if self._member.eof:
            self._waiting, self._member = self._member.unused_data, None
        return out


def _open(address: str) -> tuple[Any, int | None]:
    if address.startswith("s3://"):
        return open_input(address), None
    if "://" in address:
        request = urllib.request.Request(address, headers={"User-Agent": "skuscribe"})  # noqa: S310 - settings allow http(s) alone
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
        length = response.headers.get("Content-Length")
        return response, int(length) if length and length.isdigit() else None
    return Path(address).open("rb"), None


def _marks(address: str) -> list[str | int]:
    if address.startswith("s3://"):
        return list(head_input(address))
    if "://" in address:
        request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "skuscribe"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                found = [response.headers.get(name) for name in ("ETag", "Last-Modified", "Content-Length")]
        except urllib.error.HTTPError as error:
            if error.code in (403, 405, 501):  # an address signed for GET, or a server without HEAD
                error.close()
                return []
            raise
        return [mark or "" for mark in found] if found[0] or (found[1] and found[2]) else []
    status = Path(address).stat()
    return [str(Path(address).resolve()), status.st_size, status.st_mtime_ns]


@contextmanager
def _translated(address: str, setting: str = INPUT) -> Iterator[None]:
    where = without_secrets(address)
    try:
        yield
    except JobError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 429 or error.code >= 500:
            raise NotReadyError(f"{where} answered {error.code} {error.reason}: try again later") from error
        raise ConfigurationError(f"{where} answered {error.code} {error.reason}: correct {setting}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(f"there is no file {where}: correct {setting}") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ConfigurationError(
            f"{where} cannot be read ({error.strerror}): {setting} takes one readable file"
        ) from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise NotReadyError(f"{where} cannot be reached ({error}): is the address right and the service up?") from error
    except Exception as error:
        if "botocore" in type(error).__module__ or "urllib3" in type(error).__module__:
            raise NotReadyError(f"{where} broke off ({error}): try again") from error
        raise
