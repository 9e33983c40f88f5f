"""The results of a run in a folder: what a person opens, from artifacts that are verified on the way."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from jobs.process import folders
from jobs.process.errors import ConfigurationError
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store

REPORT_FILES = {"index.html": "report.html"}
EXPECTED = ("model", "descriptions.jsonl", "descriptions.csv", "descriptions.parquet", "report.html", "report.pdf")
TABLES = ("answers.csv", "shards.csv", "stages.csv")
MARKER, SUMMARY = ".artifacts.json", "summary.json"


def collect(store: Store, name: str, out: Path) -> dict[str, Any]:
    """Fetch the results into OUT, verified, and their figures.

    Errors: `ConfigurationError` (78) where OUT has a folder `model` that is not ours, which would be replaced.
    """
    rows = catalogue.require(store, name)
    model = runs.trained_shard(store, name, rows.shards - 1)
    export = artifact.require(store, f"exports/{name}", "export", "describe")
    report = artifact.require(store, f"runs/{name}/report", "report", "report")
    out.mkdir(parents=True, exist_ok=True)
    marker = out / MARKER
    if (out / "model").exists() and not marker.exists():
        raise ConfigurationError(f"{out / 'model'} is there and is none of ours: move it away, or choose another --out")
    current = {item.path: item.digest for item in (model, export, report)}
    there = marker.exists() and all((out / name).exists() for name in EXPECTED)
    if not (there and json.loads(marker.read_text()) == current):
        write_atomically(marker, b"{}")
        _fetch_model(model, out)
        _fetch_descriptions(export, out)
        _fetch_report(report, out)
        write_atomically(marker, json.dumps(current).encode())
    return {
        "name": name,
        "catalogue": dict(rows.artifact.manifest.figures),
        "model": {"shard": rows.shards - 1, **model.manifest.figures},
        "descriptions": dict(export.manifest.figures),
        "report": dict(report.manifest.figures),
        "artifacts": current,
    }


def remove(out: Path) -> list[Path]:
    """Remove what `collect()` has put into OUT, and OUT where nothing else is in it. Returns what was removed."""
    if not (out / MARKER).exists():
        return []
    return folders.remove(out, (*EXPECTED, *TABLES, SUMMARY, MARKER))


def _fetch_model(model: Artifact, out: Path) -> None:
    with folders.temporary_folder() as work:
        fetched = model.fetch_all(work, layout.MODEL_PREFIX)
        _replace_folder(fetched, out / "model")


def _fetch_descriptions(export: Artifact, out: Path) -> None:
    """Join the parts of the batch: one file of each format."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with folders.temporary_folder() as work:
        parts = [export.fetch(name, work) for name in export.names()]
        lines = [gzip.decompress(path.read_bytes()) for path in parts if path.name.endswith(".jsonl.gz")]
        tables = [pq.read_table(path) for path in parts if path.suffix == ".parquet"]
        pages = [path.read_bytes() for path in parts if path.suffix == ".csv"]
        header = pages[0].splitlines(keepends=True)[0]
        pq.write_table(pa.concat_tables(tables), work / "descriptions.parquet")
        write_atomically(out / "descriptions.jsonl", b"".join(lines))
        write_atomically(out / "descriptions.csv", header + b"".join(page.removeprefix(header) for page in pages))
        write_atomically(out / "descriptions.parquet", (work / "descriptions.parquet").read_bytes())


def _fetch_report(report: Artifact, out: Path) -> None:
    with folders.temporary_folder() as work:
        for name in report.names():
            write_atomically(out / REPORT_FILES.get(name, name), report.fetch(name, work).read_bytes())


def _replace_folder(source: Path, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(data)
    unfinished.replace(path)
