"""Compressed streams: gzip, bzip2, xz, Zstandard, and zip with one file, recognized by their first bytes, not by a name."""

import bz2
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import pyarrow as pa
from isal import igzip_lib

from jobs.process.errors import InputError
from jobs.storage.sources import READ_BYTES, Source, Stream

_MAX_LEVELS = 4  # a gzipped file in a zip has two
_MAX_XZ_MEMORY = 1 << 28  # `xz -9` needs 65 MB
_MAGIC_BYTES = 10
_SKIPPABLE_ZSTANDARD = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # pzstd begins each file with such a frame
_ENCRYPTED = 1
"""The flag of an encrypted file in a zip."""
_DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)


@contextmanager
def uncompressed(source: Source) -> Iterator[Stream]:
    """Yield the stream, decompressed if it is compressed, also several times.

    Its `read` raises `InputError` (65) if the data is damaged or truncated. A zip is copied to a temporary file first.
    """
    with ExitStack() as stack:
        stream: Stream = source
        for _ in range(_MAX_LEVELS):
            head, stream = peek(stream, _MAGIC_BYTES)
            name = _compression(head)
            if name is None:
                break
            if name == "zip":
                stream = _Unzipped(stack.enter_context(spooled(stream)), source.address)
            elif name == "Zstandard":
                stream = _Unzstd(stream, source.address)
            else:
                stream = _Decompressed(stream, source.address, name)
        else:
            raise InputError(
                f"{source.address} is compressed more than {_MAX_LEVELS - 1} times: expected rows, compressed at most "
                f"{_MAX_LEVELS - 1} times. Decompress the file"
            )
        yield stream


def peek(stream: Stream, size: int) -> tuple[bytes, Stream]:
    """Return the first bytes of a stream, at least `size` of them unless it is shorter, and the whole stream."""
    head = b""
    while len(head) < size and (more := stream.read(READ_BYTES)):
        head += more
    return head, _Prefixed(head, stream)


@contextmanager
def spooled(stream: Stream) -> Iterator[IO[bytes]]:
    """Yield a temporary file with the rest of the stream, for formats that are not read from beginning to end."""
    with tempfile.TemporaryFile() as file:
        while data := stream.read(READ_BYTES):
            file.write(data)
        file.seek(0)
        yield file


class _Prefixed:
    """A stream whose first bytes have been read already."""

    def __init__(self, head: bytes, stream: Stream) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._stream.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


def _compression(head: bytes) -> str | None:
    """Return the name of the compression of a stream with these first bytes, or None if it is not compressed."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh") and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bzip2"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"\x28\xb5\x2f\xfd") or _SKIPPABLE_ZSTANDARD.match(head):
        return "Zstandard"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    return None


def _new_member(name: str) -> Any:
    """Return the decompressor of a new member of a stream of this compression."""
    if name == "gzip":
        return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    if name == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MAX_XZ_MEMORY)


class _Decompressed:
    """A decompressed stream of one or several members; zeros after a member are padding."""

    def __init__(self, stream: Stream, address: str, name: str) -> None:
        self._stream, self._address, self._name = stream, address, name
        self._member: Any = None
        self._compressed = b""

    def read(self, size: int, /) -> bytes:
        while self._member is not None or self._begin_member():
            if not self._compressed and self._member.needs_input:
                self._compressed = self._stream.read(READ_BYTES)
                if not self._compressed:
                    raise InputError(f"{self._address} is truncated {self._name}: download or create the file again")
            if data := self._decompress(size):
                return data
        return b""

    def _begin_member(self) -> bool:
        """Begin the next member, after the padding. Returns False at the end of the stream."""
        while not (start := self._compressed.lstrip(b"\0")):
            self._compressed = self._stream.read(READ_BYTES)
            if not self._compressed:
                return False
        self._compressed, self._member = start, _new_member(self._name)
        return True

    def _decompress(self, size: int) -> bytes:
        try:
            data: bytes = self._member.decompress(self._compressed, size)
        except (*_DAMAGED, igzip_lib.error) as error:  # type: ignore[misc]  # the stubs declare an instance, not a class
            raise damaged(self._address, self._name, error) from error
        self._compressed = b""
        if self._member.eof:
            self._compressed, self._member = self._member.unused_data, None
        return data


class _Unzstd:
    """A decompressed Zstandard stream."""

    def __init__(self, stream: Stream, address: str) -> None:
        self._address = address
        self._data = pa.CompressedInputStream(pa.PythonFile(_File(stream), mode="r"), "zstd")

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._data.read(size)
        except _DAMAGED as error:
            raise damaged(self._address, "Zstandard", error) from error
        return data


class _File:
    """The part of a binary file's interface that Arrow needs to read a stream."""

    closed = False

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size if size > 0 else READ_BYTES)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Leave the stream open: its owner closes it."""


class _Unzipped:
    """The only file of a zip."""

    def __init__(self, file: IO[bytes], address: str) -> None:
        self._address = address
        try:
            self._archive = zipfile.ZipFile(file)
            self._data = self._archive.open(self._only_file())
        except NotImplementedError as error:  # also a child of the RuntimeError of damaged ones
            raise InputError(
                f"{address} uses a zip compression or a version of zip that is not supported ({error}), expected Deflate, bzip2 "
                "or LZMA: unpack it first"
            ) from error
        except _DAMAGED as error:
            raise damaged(address, "zip", error) from error

    def read(self, size: int, /) -> bytes:
        try:
            return self._data.read(size)
        except _DAMAGED as error:
            raise damaged(self._address, "zip", error) from error

    def _only_file(self) -> zipfile.ZipInfo:
        """Return the file, or raise `InputError` if there is not exactly one. macOS adds files of its own to each zip."""
        files = [
            info
            for info in self._archive.infolist()
            if not info.is_dir()
            and not info.filename.startswith("__MACOSX/")
            and not info.filename.endswith(".DS_Store")
        ]
        names = [info.filename for info in files]
        if "[Content_Types].xml" in names:
            raise InputError(f"{self._address} is an Office document, such as an Excel table: save the table as CSV")
        if len(files) != 1:
            raise InputError(
                f"{self._address} is a zip of {len(files):,} files ({', '.join(names[:5])}), expected one file: unpack it"
            )
        if files[0].flag_bits & _ENCRYPTED:
            raise InputError(f"{self._address} is encrypted, expected a zip without a password: unpack it first")
        return files[0]


def damaged(address: str, name: str, error: BaseException) -> InputError:
    """Return the error of a file that is damaged, in the format `name`."""
    return InputError(
        f"{address} is damaged {name} ({error or type(error).__name__}): download or create the file again"
    )
