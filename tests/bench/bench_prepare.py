"""Preparing, beside its rival: python -m tests.bench.bench_prepare [--rows N] [--input FILE] [--processes N]

From a gzipped file of JSON Lines to clean rows. The rival is what one writes first: pandas' read_json(lines=True), then apply of
the same cleaning, every step on every row. Ours does the same to the same rows, and holds them all in memory, as it does. The
last line is the whole job, which holds them in files: MinHash signatures, clusters, splits and shards in S3 as well; the limit
on memory is its own. Each runs in a process of its own; memory is the peak of that process and of those it starts, together.
Both must come to the same rows.
"""

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from jobs.local import services
from jobs.prepare import job as prepare
from jobs.prepare import rows
from jobs.prepare import settings as prepare_settings
from jobs.prepare.cleaned_rows import Rules, judged_rows, product_batch
from jobs.process.parallel import ordered
from jobs.sample import sample_rows
from jobs.storage import catalogue, sources
from jobs.storage.store import Store
from jobs.text.cleaning import clean_thoroughly

GOAL, MEMORY_GOAL_MB = 10.0, 500
RIVAL, CLEANING, WHOLE = "pandas read_json, apply", "skuscribe, read and clean", "skuscribe prepare, all of it"
RULES = Rules("catalogue", 1 << 20, 10, 10_000)


@dataclass(frozen=True)
class Result:
    """What one of them did. Memory in megabytes, time in seconds; `digest` of the clean rows, empty where not comparable."""

    name: str
    read: int
    kept: int
    seconds: float
    cpu_seconds: float
    memory_mb: float
    digest: str


@dataclass(frozen=True)
class Done:
    """How many rows were read and kept, and uid, title and content of those kept, to be looked at later."""

    read: int
    kept: int
    rows: Iterable[tuple[str, str, str]]


def main() -> None:
    """Run each in a process of its own, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="raw rows to prepare; an input of fewer is repeated")
    parser.add_argument("--input", help="gzipped JSON Lines to take them from; default: the generated sample")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1), help="that clean")
    parser.add_argument("--alone", choices=[RIVAL, CLEANING, WHOLE], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(asdict(_measured(arguments.alone, Path(arguments.input), arguments.processes))))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        services.start(work / "services")
        try:
            os.environ |= services.read_environment(work / "services")
            _write(work / "rows.json.gz", arguments.input, arguments.rows)
            results = [_run(kind, work / "rows.json.gz", arguments.processes) for kind in (RIVAL, CLEANING, WHOLE)]
        finally:
            services.stop(work / "services")
    _print(results)


def _print(results: list[Result]) -> None:
    rival = results[0]
    heads = ("rows", "seconds", "of CPU", "rows/s", "ratio", "of CPU", "goal", "MB", "limit")
    print(f"{'what':<30}" + "".join(f"{head:>9}" for head in heads))
    for result in results:
        ratios = (f"{rival.seconds / result.seconds:.1f}", f"{rival.cpu_seconds / result.cpu_seconds:.1f}")
        goals = ("" if result is rival else f"{GOAL:.0f}", f"{MEMORY_GOAL_MB}" if result.name == WHOLE else "")
        cells = (
            *(f"{result.read:,}", f"{result.seconds:.1f}", f"{result.cpu_seconds:.1f}"),
            *(f"{result.read / result.seconds:,.0f}", *ratios, goals[0], f"{result.memory_mb:.0f}", goals[1]),
        )
        print(f"{result.name:<30}" + "".join(f"{cell:>9}" for cell in cells))
    same = len({result.digest for result in results if result.digest}) == 1
    print(f"{rival.kept:,} rows kept; the rows of both are {'the same' if same else 'NOT the same'}")


def _run(kind: str, path: Path, processes: int) -> Result:
    command = [sys.executable, "-m", "tests.bench.bench_prepare", "--alone", kind, "--input", str(path)]
    command += ["--processes", str(processes)]
    shown = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return Result(**json.loads(shown.splitlines()[-1]))


def _measured(kind: str, path: Path, processes: int) -> Result:
    if kind == RIVAL:
        import pandas  # noqa: F401 - the clock starts after the imports
    work = {RIVAL: _rival, CLEANING: _cleaning, WHOLE: _whole}[kind]
    with tempfile.TemporaryDirectory() as folder:
        began, cpu_before = time.monotonic(), _cpu_seconds()
        with PeakMemory() as memory:
            done = work(path, Path(folder), processes)
        seconds, cpu_seconds = time.monotonic() - began, _cpu_seconds() - cpu_before
        digest = _digest(done.rows)
    return Result(kind, done.read, done.kept, seconds, cpu_seconds, memory.megabytes, digest)


class PeakMemory:
    """The most memory that this process and its children held together, looked at every 20 ms; shared pages count for each."""

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
            held = 0
            for process in (own, *own.children()):
                with suppress(psutil.NoSuchProcess):
                    held += process.memory_info().rss
            self.megabytes = max(self.megabytes, held / 1e6)


def _cpu_seconds() -> float:
    """Of this process and those that it has waited for."""
    return sum(os.times()[:4])


def _rival(path: Path, _folder: Path, _processes: int) -> Done:
    import pandas as pd

    table = pd.read_json(path, lines=True, compression="gzip", dtype=False)
    read = len(table)
    table = table[(table.title != "") & (table.content != "")][["uid", "title", "content"]]
    for name in ("title", "content"):
        table[name] = table[name].apply(clean_thoroughly, profile="catalogue")
    table = table[(table.title != "") & (table.content.str.len() >= RULES.min_content_characters)]
    table = table[table.title.str.lower() != table.content.str.lower()]
    return Done(read, len(table), zip(table.uid, table.title, table.content, strict=True))


def _cleaning(path: Path, _folder: Path, processes: int) -> Done:
    from tests.bench.bench_prepare import read_and_clean  # by the name that a worker finds it under

    with sources.opened(str(path)) as source:
        chunks = rows.chunks(sources.uncompressed(source), RULES.max_row_bytes, source.address)
        results = list(ordered(read_and_clean, chunks, processes))
    kept = ((row["uid"], row["title"], row["content"]) for _, batch in results for row in batch.to_pylist())
    return Done(sum(read for read, _ in results), sum(batch.num_rows for _, batch in results), kept)


def read_and_clean(chunk: rows.Chunk) -> tuple[int, Any]:
    """What the rival does: the rows of a chunk read, cleaned and judged, nothing more."""
    results = judged_rows(chunk, RULES)
    return len(results), product_batch([result for result in results if isinstance(result, rows.RawRow)])


def _whole(path: Path, _folder: Path, processes: int) -> Done:
    settings = prepare_settings.Settings(input=str(path), store="s3://skuscribe/bench", processes=processes)
    prepare.run(settings)
    figures = catalogue.require(Store(settings.store), settings.catalogue).artifact.manifest.figures
    return Done(figures["read"], figures["kept"], [])


def _digest(kept: Iterable[tuple[str, str, str]]) -> str:
    """Of the rows of ordinary length: a content that is cut is cut by ours alone."""
    lines = ["\n".join(row) for row in kept if len(row[2]) < RULES.max_content_characters - 100]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def _write(path: Path, source: str | None, count: int) -> None:
    """`count` rows, each with a uid of its own."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        for number, row in zip(range(count), _endless(source), strict=False):
            file.write(json.dumps(row | {"uid": f"{row['uid']}-{number}"}) + "\n")


def _endless(source: str | None) -> Iterator[dict[str, object]]:
    while True:
        if source is None:
            yield from sample_rows(20_000, seed=13)
        else:
            with gzip.open(source, "rt") as lines:
                yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
