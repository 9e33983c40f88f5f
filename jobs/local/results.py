"""The results of a run as files in a folder, downloaded from its artifacts and verified."""

import gzip
import json
import shutil
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

MODEL = "model"
LINES, CSV, PARQUET = "descriptions.jsonl", "descriptions.csv", "descriptions.parquet"
PAGE = "report.html"
EXPECTED = (MODEL, LINES, CSV, PARQUET, PAGE, layout.REPORT_PDF)
SUMMARY = "summary.json"
FILES = (*EXPECTED, *layout.REPORT_TABLES, SUMMARY)
MARKER = ".artifacts.json"
"""The digests of the artifacts that the folder's files come from. A folder without it holds no results of ours."""


def _last_trained_shard(store: Store, run: str, shards: int) -> int:
    """Return the last trained shard: with --max-shards of `train`, not all are. Without any, the last shard of the catalogue."""
    trained = (
        shard for shard in reversed(range(shards)) if artifact.find(store, layout.trained_shard_path(run, shard))
    )
    return next(trained, shards - 1)


def require_no_foreign_files(out: Path) -> None:
    """Errors: `ConfigurationError` (78) if `out` has files with the names of ours that we did not write, which would be replaced."""
    found = [] if (out / MARKER).exists() else [name for name in FILES if (out / name).exists()]
    if found:
        raise ConfigurationError(
            f"--out {out} already has {', '.join(found)}, which skuscribe did not write: move it, or choose another folder"
        )


def collect(store: Store, name: str, out: Path) -> dict[str, Any]:
    """Download the results of the run `name` into `out`, unless they are there, and return their figures.

    Errors: as `require_no_foreign_files()`.
    """
    products = catalogue.require(store, name)
    last_shard = _last_trained_shard(store, name, products.shards)
    model = runs.trained_shard(store, name, last_shard)
    export = artifact.require(store, layout.export_path(name), Kind.EXPORT, f"describe --batch {name}")
    report = artifact.require(store, layout.report_path(name), Kind.REPORT, f"report --run {name}")
    out.mkdir(parents=True, exist_ok=True)
    require_no_foreign_files(out)
    marker = out / MARKER
    digests = {source.path: source.digest for source in (model, export, report)}
    complete = marker.exists() and all((out / file).exists() for file in EXPECTED)
    if not (complete and json.loads(marker.read_text()) == digests):
        folders.write_atomically(marker, b"{}")
        _download_model(model, out)
        _download_descriptions(export, out)
        _download_report(report, out)
        folders.write_atomically(marker, json.dumps(digests).encode())
    return {
        "name": name,
        "catalogue": dict(products.artifact.manifest.figures),
        "model": {"shard": last_shard, **model.manifest.figures},
        "descriptions": dict(export.manifest.figures),
        "report": dict(report.manifest.figures),
        "artifacts": digests,
    }


def remove(out: Path) -> list[Path]:
    """Remove the files of `collect()` from `out`, and `out` if it is empty then. Returns what was removed."""
    if not (out / MARKER).exists():
        return []
    return folders.remove(out, (*FILES, MARKER))


def _download_model(model: Artifact, out: Path) -> None:
    with folders.temporary_folder() as work:
        fetched = model.fetch_all(work, layout.MODEL_PREFIX)
        _replace_folder(fetched, out / MODEL)


def _download_descriptions(export: Artifact, out: Path) -> None:
    """Join the parts of the batch into one file per format."""
    with folders.temporary_folder() as work:
        parts = [export.fetch(name, work) for name in export.names()]
        lines = [gzip.decompress(path.read_bytes()) for path in parts if path.name.endswith(".jsonl.gz")]
        tables = [pq.read_table(path) for path in parts if path.suffix == ".parquet"]
        pages = [path.read_bytes() for path in parts if path.suffix == ".csv"]
        header = pages[0].splitlines(keepends=True)[0]
        pq.write_table(pa.concat_tables(tables), work / PARQUET)
        folders.write_atomically(out / LINES, b"".join(lines))
        folders.write_atomically(out / CSV, header + b"".join(page.removeprefix(header) for page in pages))
        folders.write_atomically(out / PARQUET, (work / PARQUET).read_bytes())


def _download_report(report: Artifact, out: Path) -> None:
    with folders.temporary_folder() as work:
        for name in report.names():
            file = PAGE if name == layout.REPORT_PAGE else name
            folders.write_atomically(out / file, report.fetch(name, work).read_bytes())


def _replace_folder(source: Path, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
