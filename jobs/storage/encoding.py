"""Streams in UTF-16 or UTF-32 with a byte order mark, read as UTF-8."""

import codecs

from jobs.storage.compression import peek
from jobs.storage.sources import Stream

_MARKS = (  # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def as_utf_8(stream: Stream) -> Stream:
    """Return the stream, converted to UTF-8 if it begins with the byte order mark of another encoding. Invalid bytes become U+FFFD."""
    head, stream = peek(stream, 4)
    codec = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    return _Converted(stream, codec) if codec else stream


class _Converted:
    """A stream in another encoding, read as UTF-8."""

    def __init__(self, stream: Stream, codec: str) -> None:
        self._stream, self._decoder = stream, codecs.getincrementaldecoder(codec)(errors="replace")
        self._buffer, self._ended = b"", False

    def read(self, size: int, /) -> bytes:
        while not self._buffer and not self._ended:
            data = self._stream.read(size)
            self._ended = not data
            self._buffer = self._decoder.decode(data, final=self._ended).encode()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data
