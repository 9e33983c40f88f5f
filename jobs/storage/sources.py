"""Input files at a path, http(s):// or s3:// address, read as a stream that counts and hashes its bytes."""

import hashlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from jobs.process.folders import DISK_FULL
from jobs.process.secrets import without_secrets
from jobs.storage.manifest import digest_of
from jobs.storage.store import head_input, open_input

READ_BYTES = 1 << 20
INPUT = "--input (SKUSCRIBE_INPUT)"
TIMEOUT_SECONDS = 60
SCHEMES = ("http", "https", "s3")
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
TEMPORARY_STATUSES = (408, 425, 429)
_HEADERS = {"User-Agent": "skuscribe"}


class Stream(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; no bytes at the end."""


def read_all(stream: Stream) -> bytes:
    """Return the rest of a stream."""
    return b"".join(iter(lambda: stream.read(READ_BYTES), b""))


class Source:
    """The raw bytes at an address. It counts and hashes what is read."""

    def __init__(self, address: str, stream: Stream, expected_bytes: int | None) -> None:
        self.address = address
        self._stream, self._expected_bytes = stream, expected_bytes
        self._digest, self.bytes_read = hashlib.sha256(), 0

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes. Errors: `NotReadyError` (75) if the connection breaks."""
        with _as_job_errors(self.address):
            data = self._stream.read(size)
        self._digest.update(data)
        self.bytes_read += len(data)
        if not data and self._expected_bytes is not None and self.bytes_read < self._expected_bytes:
            raise NotReadyError(
                f"{self.address} ended after {self.bytes_read:,} bytes, expected {self._expected_bytes:,}: try again"
            )
        return data

    def drain(self) -> str:
        """Read to the end. Returns the SHA-256 of all bytes, in hexadecimal."""
        while self.read(READ_BYTES):
            pass
        return self._digest.hexdigest()


@contextmanager
def opened(address: str, setting: str = INPUT) -> Iterator[Source]:
    """Yield the source at an address; error messages name `setting` as the setting that holds it.

    Errors: `ConfigurationError` (78) if the address does not exist or cannot be read, `NotReadyError` (75) if a service does
    not answer.
    """
    with _as_job_errors(address, setting):
        stream, expected_bytes = _open(address)
    with closing(stream):
        yield Source(without_secrets(address), stream, expected_bytes)


def is_named(address: str, *suffixes: str) -> bool:
    """Return whether the name at an address has one of these suffixes, before that of a compression."""
    return name_of(address).endswith(suffixes)


def name_of(address: str) -> str:
    """Return the address in lower case, without a query and without the suffix of a compression."""
    name = without_secrets(address).lower()
    for suffix in COMPRESSED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def is_compressed(address: str) -> bool:
    """Return whether the name at an address has the suffix of a compression."""
    return without_secrets(address).lower().endswith(COMPRESSED_SUFFIXES)


def identity(address: str) -> str | None:
    """Return a digest that changes when the bytes at an address change, without reading them.

    It covers path, size and modification time of a file, ETag and size of an object, and the validators of a web server. None if
    a web server sends no validators.
    """
    with _as_job_errors(address):
        version = _version(address)
    return digest_of([without_secrets(address), *version]) if version else None


def _open(address: str) -> tuple[Any, int | None]:
    """Return the stream at an address, and its length in bytes if a web server announces it."""
    if address.startswith("s3://"):
        return open_input(address), None
    if "://" in address:
        request = urllib.request.Request(address, headers=_HEADERS)  # noqa: S310 - settings accept http(s) only
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310 - as above
        length = response.headers.get("Content-Length")
        return response, int(length) if length and length.isdigit() else None
    return Path(address).open("rb"), None


def _version(address: str) -> list[str | int]:
    """Return what identifies the version of the bytes at an address; an empty list if nothing does."""
    if address.startswith("s3://"):
        return list(head_input(address))
    if "://" in address:
        return list(_validators(address))
    status = Path(address).stat()
    return [str(Path(address).resolve()), status.st_size, status.st_mtime_ns]


def _validators(address: str) -> list[str]:
    """Return ETag, Last-Modified and Content-Length of a web address, if they suffice to detect a change."""
    request = urllib.request.Request(address, method="HEAD", headers=_HEADERS)  # noqa: S310 - settings accept http(s) only
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            etag, modified, length = (
                response.headers.get(name) for name in ("ETag", "Last-Modified", "Content-Length")
            )
    except urllib.error.HTTPError as error:
        if error.code in (403, 405, 501):  # the address is signed for GET, or the server does not support HEAD
            error.close()
            return []
        raise
    return [etag or "", modified or "", length or ""] if etag or (modified and length) else []


def _check_address(address: str, where: str, setting: str) -> None:
    """Raise `ConfigurationError` (78) if an address is not one that can be opened, or contains a password."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        return
    if scheme not in SCHEMES:
        raise ConfigurationError(
            f"{where} has the scheme {scheme}, expected a path, or {', '.join(SCHEMES)} in lower case: correct {setting}"
        )
    try:
        parts = urlsplit(address)
        valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # its text may quote a password
        valid = False
    if not valid or (scheme != "s3" and not all("!" <= letter <= "~" for letter in address)):
        raise ConfigurationError(
            f"{where} is not a valid address: write a space as %20 and \N{LATIN SMALL LETTER A WITH DIAERESIS} as %C3%A4, and correct {setting}"
        )
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"{where} is given with a user or password, which is not supported: use a signed address (in a release "
            f"from a Secret, with pod.extraEnv of the job), or AWS_* for s3://, and correct {setting}"
        )


@contextmanager
def _as_job_errors(address: str, setting: str = INPUT) -> Iterator[None]:
    """Raise the errors of files, web servers and S3 as job errors."""
    where = without_secrets(address)
    _check_address(address, where, setting)
    try:
        yield
    except JobError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in TEMPORARY_STATUSES or error.code >= 500:
            raise NotReadyError(f"{where} answered {error.code} {error.reason}: try again later") from error
        raise ConfigurationError(f"{where} answered {error.code} {error.reason}: correct {setting}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(f"there is no file {where}: correct {setting}") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ConfigurationError(
            f"{where} cannot be read ({error.strerror}): {setting} must name one readable file"
        ) from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
            raise ConfigurationError(
                f"the certificate of {where} is not trusted ({error}): set SSL_CERT_FILE to the file of its certificate authority"
            ) from error
        raise NotReadyError(
            f"{where} cannot be reached ({error}): check the address, and that the service runs"
        ) from error
    except OSError as error:
        if "://" not in address or error.errno in DISK_FULL:
            raise
        raise NotReadyError(f"the connection to {where} broke ({error}): try again") from error
    except (BotoCoreError, HTTPError) as error:  # the stream of an S3 object
        raise NotReadyError(f"the connection to {where} broke ({error}): try again") from error
