"""CSV files that a spreadsheet may open."""

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def escaped(text: str) -> str:
    """Return a text that a spreadsheet would run as a formula with `'` in front; any other text, also an escaped one, unchanged."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def csv_file(header: Sequence[str], rows: Iterable[Iterable[object]], line_end: str = "\r\n") -> bytes:
    """Return a CSV file in UTF-8, with `line_end` after each line: CR LF, as RFC 4180 defines it. Texts are `escaped()`."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows([escaped(value) if isinstance(value, str) else value for value in row] for row in rows)
    return buffer.getvalue().encode()
