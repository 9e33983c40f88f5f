"""The results of a run as files in a folder, downloaded from its artifacts and verified."""

import gzip
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.process import folders
from jobs.process.errors import ConfigurationError
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.text.spreadsheet import csv_file

MODEL = "model"
LINES, CSV, PARQUET = "descriptions.jsonl", "descriptions.csv", "descriptions.parquet"
PUBLISHED = "published.csv"
PUBLISHED_COLUMNS = ("uid", "title", "description")
"""What a shop imports: only the published texts, without the columns that say why the others are held back."""

PAGE = "report.html"
EXPECTED = (MODEL, LINES, CSV, PARQUET, PUBLISHED, PAGE, layout.REPORT_PDF)
SUMMARY = "summary.json"
FILES = (*EXPECTED, *layout.REPORT_TABLES, SUMMARY)
OUT = "--out"
MARKER = ".artifacts.json"
"""The digests of the artifacts that the folder's files come from. A folder without it has no results of skuscribe."""


def require_no_foreign_files(out: Path) -> None:
    """Raise `ConfigurationError` (78) if `out` has files with the names of results that skuscribe did not write."""
    found = [] if (out / MARKER).exists() else [name for name in FILES if (out / name).exists()]
    if found:
        raise ConfigurationError(
            f"--out {out} already has {', '.join(found)}, which skuscribe did not write: move it, or choose another folder"
        )


def collect(store: Store, name: str, out: Path) -> dict[str, Any]:
    """Download the results of the run `name` into `out`, unless they are there, and return their figures.

    The model is the one that wrote the descriptions: with --max-shards, later shards may be trained too. Errors: as
    `require_no_foreign_files()` and `folders.writing_to()`.
    """
    products = catalogue.require(store, name)
    export = artifact.require(store, layout.export_path(name), Kind.EXPORT, f"describe --batch {name}")
    shard = int(export.manifest.figures["model"].rpartition(layout.SHARD_PREFIX)[2])
    model = runs.model_after(store, name, runs.find_config(store, name) or {}, shard)
    report = artifact.require(store, layout.report_path(name), Kind.REPORT, f"report --run {name}")
    with folders.writing_to(out, OUT):
        out.mkdir(parents=True, exist_ok=True)
    require_no_foreign_files(out)
    marker = out / MARKER
    digests = {source.path: source.digest for source in (model, export, report)}
    complete = marker.exists() and all((out / file).exists() for file in EXPECTED)
    if not (complete and json.loads(marker.read_text()) == digests):
        _write(out, MARKER, b"{}")
        _download_model(model, out)
        _download_descriptions(export, out)
        _download_report(report, out)
        _write(out, MARKER, json.dumps(digests).encode())
    return {
        "name": name,
        "catalogue": dict(products.artifact.manifest.figures),
        "model": {"shard": shard, **model.manifest.figures, **_evaluated(store, name, model, shard)},
        "descriptions": dict(export.manifest.figures),
        "report": dict(report.manifest.figures),
        "artifacts": digests,
    }


def example_title(out: Path) -> str:
    """Return a title of the descriptions in `out`: the first whose text is published, or else the first that has a text, or ""."""
    with (out / LINES).open(encoding="utf-8") as file:
        described = [row for row in map(json.loads, file) if row["error"] is None]
    first = next((row for row in described if row["published"]), next(iter(described), {"title": ""}))
    return str(first["title"])


def _evaluated(store: Store, name: str, model: Artifact, shard: int) -> dict[str, Any]:
    """Return the scores of a merged model on the held-out products, if it was evaluated: it has none of its own."""
    if model.manifest.kind != Kind.MERGED_MODEL:
        return {}
    stage = artifact.find(store, layout.evaluation_path(name, layout.stage_name(shard, retrieval=False)))
    if stage is None or stage.manifest.inputs.get("model") != model.digest:
        return {}
    return {f"held_out_{figure}": stage.manifest.figures.get(figure) for figure in ("loss", "rougeL")}


def remove(out: Path) -> list[Path]:
    """Remove the files of `collect()` from `out`, and `out` if it is empty then. Returns what was removed."""
    if not (out / MARKER).exists():
        return []
    return folders.remove(out, (*FILES, MARKER))


def _download_model(model: Artifact, out: Path) -> None:
    with folders.temporary_folder() as work:
        fetched = runs.fetch_model(model, work)
        with folders.writing_to(out, OUT):
            _replace_folder(fetched, out / MODEL)


def _download_descriptions(export: Artifact, out: Path) -> None:
    """Join the parts of the batch into one file per format, and write the published texts into one of their own."""
    with folders.temporary_folder() as work:
        parts = [export.fetch(name, work) for name in export.names()]
        lines = [gzip.decompress(path.read_bytes()) for path in parts if path.name.endswith(".jsonl.gz")]
        rows = pa.concat_tables(pq.read_table(path) for path in parts if path.suffix == ".parquet")
        pages = [path.read_bytes() for path in parts if path.suffix == ".csv"]
        header = pages[0].splitlines(keepends=True)[0]
        pq.write_table(rows, work / PARQUET)
        _write(out, LINES, b"".join(lines))
        _write(out, CSV, header + b"".join(page.removeprefix(header) for page in pages))
        _write(out, PARQUET, (work / PARQUET).read_bytes())
        _write(out, PUBLISHED, _published(rows))


def _published(rows: pa.Table) -> bytes:
    """Return the published rows as CSV, escaped as the export's CSV is. `rows`: the Parquet files of a batch."""
    published = rows.filter(rows["published"]).select(PUBLISHED_COLUMNS)
    return csv_file(PUBLISHED_COLUMNS, (row.values() for row in published.to_pylist()))


def _download_report(report: Artifact, out: Path) -> None:
    with folders.temporary_folder() as work:
        for name in report.names():
            file = PAGE if name == layout.REPORT_PAGE else name
            _write(out, file, report.fetch(name, work).read_bytes())


def write_summary(out: Path, figures: Mapping[str, Any]) -> None:
    """Write `SUMMARY`. Errors: as `folders.writing_to()`."""
    _write(out, SUMMARY, json.dumps(figures, indent=1, ensure_ascii=False).encode())


def _write(out: Path, name: str, data: bytes) -> None:
    with folders.writing_to(out, OUT):
        folders.write_atomically(out / name, data)


def _replace_folder(source: Path, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    # File by file, because the errors of shutil.copytree() have no errno.
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = unfinished / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
