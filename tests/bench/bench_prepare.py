"""Benchmark of prepare against pandas: python -m tests.bench.bench_prepare [--rows N] [--input FILE] [--processes N]

From gzipped JSON Lines to cleaned rows. The baseline is a straightforward program: pandas' read_json(lines=True), then apply
of the same cleaning, every step on every row. The second line is this project's reading and cleaning of the same rows, held
in memory as the baseline holds them. Both must give the same rows. The third line is the whole job, which also computes
MinHash signatures, clusters and splits and uploads the shards to S3; the limit on memory is for this one. Each runs in its
own process; memory is the peak of that process and its children together.
"""

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from jobs.prepare import job as prepare
from jobs.prepare.chunk_cleaning import CleaningRules, clean_rows, product_batch
from jobs.prepare.rows import ProductRow, joined
from jobs.prepare.sentences import without_cut_off_sentence
from jobs.prepare.settings import Settings
from jobs.process import threads
from jobs.process.parallel import ordered
from jobs.sample.rows import sample_rows
from jobs.storage import catalogue, sources
from jobs.storage.chunks import Chunk
from jobs.storage.compression import uncompressed
from jobs.storage.fields import Fields
from jobs.storage.row_formats import read_rows
from jobs.storage.store import Store
from jobs.text.cleaning import clean_without_shortcuts
from tests.bench.running import running_services

TARGET_RATIO, MEMORY_LIMIT_MB = 10.0, 500
BASELINE, CLEANING, JOB = "pandas read_json, apply", "skuscribe, read and clean", "skuscribe prepare, whole job"
RULES = CleaningRules("catalogue", 1 << 20, 10, 10_000)


@dataclass(frozen=True)
class Result:
    """The figures of one program: time in seconds, memory in megabytes. `digest` is of the cleaned rows, empty for the job."""

    name: str
    read: int
    kept: int
    seconds: float
    cpu_seconds: float
    memory_mb: float
    digest: str


@dataclass(frozen=True)
class Prepared:
    """The number of rows read and kept, and uid, title and content of the kept rows, which are read after the timing."""

    read: int
    kept: int
    rows: Iterable[tuple[str, str, str]]


def main() -> None:
    """Run each program in its own process, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="number of raw rows; a smaller input is repeated")
    parser.add_argument("--input", help="gzipped JSON Lines; default: the generated sample")
    parser.add_argument("--processes", type=int, default=min(2, threads.cpus()), help="number of cleaning processes")
    parser.add_argument("--only", choices=[BASELINE, CLEANING, JOB], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(asdict(_measured(arguments.only, Path(arguments.input), arguments.processes))))
        return
    with running_services() as work:
        _write(work / "rows.json.gz", arguments.input, arguments.rows)
        results = [_run(kind, work / "rows.json.gz", arguments.processes) for kind in (BASELINE, CLEANING, JOB)]
    _print(results)


def _print(results: list[Result]) -> None:
    baseline = results[0]
    heads = ("rows", "seconds", "of CPU", "rows/s", "ratio", "of CPU", "target", "MB", "limit")
    print(f"{'program':<30}" + "".join(f"{head:>9}" for head in heads))
    for result in results:
        ratios = (f"{baseline.seconds / result.seconds:.1f}", f"{baseline.cpu_seconds / result.cpu_seconds:.1f}")
        limits = (
            "" if result is baseline else f"{TARGET_RATIO:.0f}",
            f"{MEMORY_LIMIT_MB}" if result.name == JOB else "",
        )
        cells = (
            *(f"{result.read:,}", f"{result.seconds:.1f}", f"{result.cpu_seconds:.1f}"),
            *(f"{result.read / result.seconds:,.0f}", *ratios, limits[0], f"{result.memory_mb:.0f}", limits[1]),
        )
        print(f"{result.name:<30}" + "".join(f"{cell:>9}" for cell in cells))
    same = len({result.digest for result in results if result.digest}) == 1
    print(f"{baseline.kept:,} rows kept; both programs gave {'the same' if same else 'DIFFERENT'} rows")


def _run(kind: str, path: Path, processes: int) -> Result:
    command = [sys.executable, "-m", "tests.bench.bench_prepare", "--only", kind, "--input", str(path)]
    command += ["--processes", str(processes)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return Result(**json.loads(output.splitlines()[-1]))


def _measured(kind: str, path: Path, processes: int) -> Result:
    if kind == BASELINE:
        import pandas  # noqa: F401 - the import is not part of the timing
    work = {BASELINE: _baseline, CLEANING: _cleaning, JOB: _job}[kind]
    started, cpu_before = time.monotonic(), _cpu_seconds()
    with PeakMemory() as memory:
        prepared = work(path, processes)
    seconds, cpu_seconds = time.monotonic() - started, _cpu_seconds() - cpu_before
    return Result(kind, prepared.read, prepared.kept, seconds, cpu_seconds, memory.megabytes, _digest(prepared.rows))


class PeakMemory:
    """The peak memory of this process and its children together, sampled every 20 ms. A shared page counts once per process."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._ended.wait(0.02):
            resident = 0
            for process in (own, *own.children()):
                with suppress(psutil.NoSuchProcess):
                    resident += process.memory_info().rss
            self.megabytes = max(self.megabytes, resident / 1e6)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _baseline(path: Path, _processes: int) -> Prepared:
    import pandas as pd

    table = pd.read_json(path, lines=True, compression="gzip", dtype=False)
    read = len(table)
    table = table[(table.title != "") & (table.content != "")][["uid", "title", "content"]]
    raw = table["content"] = table["content"].apply(joined)
    for name in ("title", "content"):
        table[name] = table[name].apply(clean_without_shortcuts, profile="catalogue")
    table["content"] = [without_cut_off_sentence(*texts) for texts in zip(raw, table["content"], strict=True)]
    table = table[(table.title != "") & (table.content.str.len() >= RULES.min_content_characters)]
    table = table[table.title.str.lower() != table.content.str.lower()]
    return Prepared(read, len(table), zip(table.uid, table.title, table.content, strict=True))


def _cleaning(path: Path, processes: int) -> Prepared:
    from tests.bench.bench_prepare import read_and_clean  # not as __main__.read_and_clean, which a worker cannot import

    with (
        sources.opened(str(path)) as source,
        uncompressed(source) as stream,
        read_rows(stream, source.address, Fields(), RULES.max_row_bytes, ("title", "content")) as rows,
    ):
        results = list(ordered(read_and_clean, rows.chunks, processes))
    kept = ((row["uid"], row["title"], row["content"]) for _, batch in results for row in batch.to_pylist())
    return Prepared(sum(read for read, _ in results), sum(batch.num_rows for _, batch in results), kept)


def read_and_clean(chunk: Chunk) -> tuple[int, Any]:
    """Return the number of rows of a chunk, and its cleaned rows: the work of the baseline, nothing more."""
    results = clean_rows(chunk, RULES)
    return len(results), product_batch([result for result in results if isinstance(result, ProductRow)])


def _job(path: Path, processes: int) -> Prepared:
    settings = Settings(input=str(path), store="s3://skuscribe/bench", processes=processes)
    prepare.run(settings)
    figures = catalogue.require(Store(settings.store), settings.catalogue).artifact.manifest.figures
    return Prepared(figures["read"], figures["kept"], [])


def _digest(kept: Iterable[tuple[str, str, str]]) -> str:
    """Return a digest of the rows without very long contents, which only this project truncates."""
    lines = ["\n".join(row) for row in kept if len(row[2]) < RULES.max_content_characters - 100]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def _write(path: Path, source: str | None, count: int) -> None:
    """Write `count` rows with distinct uids."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        for number, row in zip(range(count), _repeated(source), strict=False):
            file.write(json.dumps(row | {"uid": f"{row['uid']}-{number}"}) + "\n")


def _repeated(source: str | None) -> Iterator[dict[str, object]]:
    while True:
        if source is None:
            yield from sample_rows(20_000, seed=13)
        else:
            with gzip.open(source, "rt") as lines:
                yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
