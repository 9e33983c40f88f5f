"""prepare: raw rows to a catalogue."""

import gzip
import json
from pathlib import Path
from typing import Any

from jobs import catalogue, prepare
from jobs.store import Store


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
    return path


def test_every_row_is_kept_or_rejected(store: Store, tmp_path: Path) -> None:
    rows = [
        {"uid": str(n), "title": f"Product {n}", "content": f"The number {n} of its kind {n * n}."} for n in range(99)
    ]
    path = write_rows(tmp_path / "rows", [*rows, {"uid": "x", "title": "", "content": "y"}, rows[0]])
    prepare.run(prepare.Settings(input=str(path), processes=1))
    made = catalogue.require(store, "main")
    figures = made.artifact.manifest.figures
    assert (figures["read"], figures["kept"], figures["rejected"]) == (101, 99, 2)
