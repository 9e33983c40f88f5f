"""The export files of a part: JSON Lines (gzipped), CSV and Parquet with the same rows. The same rows give the same bytes.

JSON Lines and Parquet have the exact text. In CSV and Parquet, `evidence` is a JSON text. In the CSV, a text that begins with `=`,
`+`, `-`, `@`, a tab or a carriage return is prefixed with `'`, because a spreadsheet would run it as a formula. Lists are joined with `; `.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.storage import layout
from jobs.storage.parquet import parquet_bytes
from jobs.text.spreadsheet import csv_file

PARQUET_SUFFIX = ".parquet"


@dataclass(frozen=True, kw_only=True)
class Description:
    """The description of one product. `flags`: the reasons not to publish it. `error`: why there is no text.

    `repetition`, `grounding`, `copying`: see `jobs.quality.checks.Scores`; None if there is an error. `neighbours`: uids of the
    retrieved neighbours, nearest first, and `neighbour_similarities` their cosine similarities. The text is checked against
    the first 8. The first ones were in its prompt, unless it replaced a text that contradicted its title. `retries`: attempts after the first.
    `probability`: the calibrated probability that the text is about its title and true of it; None without a calibrated matcher.
    `evidence`: what each flag was given for.
    """

    uid: str
    title: str
    description: str = ""
    flags: tuple[str, ...] = ()
    published: bool = False
    neighbours: tuple[str, ...] = ()
    neighbour_similarities: tuple[float, ...] = ()
    repetition: float | None = None
    grounding: float | None = None
    copying: float | None = None
    length_words: int | None = None
    ended: bool | None = None
    model_digest: str
    retries: int = 0
    error: str | None = None
    probability: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def schema() -> pa.Schema:
    """Return the columns of an export, in the order of the fields of `Description`."""
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
            pa.field("probability", pa.float64()),
            pa.field("evidence", pa.string()),
        ]
    )


def files(rows: Sequence[Description], part: int) -> dict[str, bytes]:
    """Return the files of a part by name: part-00000.jsonl.gz, .csv and .parquet."""
    name = layout.export_part_name(part)
    return {
        f"{name}.jsonl.gz": json_lines(rows),
        f"{name}.csv": comma_separated(rows),
        f"{name}{PARQUET_SUFFIX}": parquet(rows),
    }


def json_lines(rows: Sequence[Description]) -> bytes:
    """Return one JSON object per line, gzipped, without a time stamp in the header."""
    lines = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    return gzip.compress(lines.encode(), mtime=0)


def comma_separated(rows: Sequence[Description]) -> bytes:
    """Return CSV as RFC 4180 defines it, in UTF-8: a header, CR LF at the end of each line, formulas escaped."""
    return csv_file(schema().names, (map(_cell, _columns(row).values()) for row in rows))


def parquet(rows: Sequence[Description]) -> bytes:
    """Return Parquet with `schema()`, compressed with zstd."""
    return parquet_bytes(pa.Table.from_pylist([_columns(row) for row in rows], schema=schema()))


def read_columns(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file that `parquet()` made, as they are stored: `evidence` is a JSON text."""
    rows: list[dict[str, Any]] = pq.read_table(path, schema=schema()).to_pylist()
    return rows


def from_columns(row: Mapping[str, Any]) -> Description:
    """Return the row of a file; one of an earlier version has no probability and no evidence."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Description(**values | {"evidence": json.loads(row["evidence"] or "{}")})


def _columns(row: Description) -> dict[str, Any]:
    return vars(row) | {"evidence": json.dumps(row.evidence, ensure_ascii=False)}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "; ".join(map(str, value)) if isinstance(value, tuple) else value
