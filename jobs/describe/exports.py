"""Descriptions as files: one Arrow schema, written as JSON Lines (gzip), CSV and Parquet, byte for byte the same each time.

JSON Lines and Parquet hold the text exactly. In the CSV a text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return
gets a `'` in front, or a spreadsheet would run it as a formula; lists are joined with `; `, quoting is that of RFC 4180.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Description:
    """What was written for one product. `flags` are the reasons not to publish it; `error` says why there is no text.

    `repetition`, `grounding`, `copying`: as `jobs.quality.checks` says, None where there is no text. `neighbours` are uids, nearest
    first, and `neighbour_similarities` their cosines: what the text is checked against, and the model saw, but for a second try of
    what contradicted its title. `retries` counts the decodings after the first.
    """

    uid: str
    title: str
    description: str
    flags: tuple[str, ...]
    published: bool
    neighbours: tuple[str, ...]
    neighbour_similarities: tuple[float, ...]
    repetition: float | None
    grounding: float | None
    copying: float | None
    length_words: int | None
    ended: bool | None
    model_digest: str
    retries: int
    error: str | None


def schema() -> "pa.Schema":
    """The columns of an export, in the order of `Description`."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("uid", pa.string(), nullable=False),
            pa.field("title", pa.string(), nullable=False),
            pa.field("description", pa.string(), nullable=False),
            pa.field("flags", pa.list_(pa.string()), nullable=False),
            pa.field("published", pa.bool_(), nullable=False),
            pa.field("neighbours", pa.list_(pa.string()), nullable=False),
            pa.field("neighbour_similarities", pa.list_(pa.float64()), nullable=False),
            pa.field("repetition", pa.float64()),
            pa.field("grounding", pa.float64()),
            pa.field("copying", pa.float64()),
            pa.field("length_words", pa.int64()),
            pa.field("ended", pa.bool_()),
            pa.field("model_digest", pa.string(), nullable=False),
            pa.field("retries", pa.int64(), nullable=False),
            pa.field("error", pa.string()),
        ]
    )


def files(rows: Sequence[Description], part: int) -> dict[str, bytes]:
    """The files of a part, by name: part-00000.jsonl.gz, .csv and .parquet."""
    name = f"part-{part:05d}"
    return {
        f"{name}.jsonl.gz": json_lines(rows),
        f"{name}.csv": comma_separated(rows),
        f"{name}.parquet": parquet(rows),
    }


def json_lines(rows: Sequence[Description]) -> bytes:
    """One JSON object a line, compressed, with no time in its header."""
    lines = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    return gzip.compress(lines.encode(), mtime=0)


def comma_separated(rows: Sequence[Description]) -> bytes:
    """RFC 4180 in UTF-8: a header, lines that end with CR LF, formulas made harmless."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(schema().names)
    writer.writerows([_cell(value) for value in vars(row).values()] for row in rows)
    return buffer.getvalue().encode()


def parquet(rows: Sequence[Description]) -> bytes:
    """Parquet with `schema()`, compressed with zstd."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema())
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read(path: Path) -> list[Description]:
    """The rows of a Parquet file of ours."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path, schema=schema()).to_pylist()
    names = schema().names
    cells: Iterator[list[Any]]
    cells = ([tuple(row[name]) if isinstance(row[name], list) else row[name] for name in names] for row in rows)
    return [Description(*row) for row in cells]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return _harmless("; ".join(str(item) for item in value))
    return _harmless(value) if isinstance(value, str) else str(value)


def _harmless(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_STARTS) else text
