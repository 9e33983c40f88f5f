"""Indexing, beside its rival: python -m tests.bench.bench_index [--rows N] [--input FILE]

From rows in a file to vectors that can be searched. Ours is the whole job: read the catalogue from S3, embed, load, build the
HNSW index, measure its recall, swap it in. The rival is what one writes first: one call of sentence-transformers' encode() as it
comes, then executemany into a table whose HNSW index was made first. Each runs in a process of its own, whose libraries are
imported before the clock starts; memory is the peak of that process.
"""

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs.local import services
from jobs.retrieval.encoder import DEFAULT_ENCODER, text_to_embed
from jobs.storage import artifact, catalogue, layout
from jobs.storage.catalogue import Product
from jobs.storage.store import Store
from tests.factories import product, write_products

GOAL, RECALL_GOAL = 5.0, 0.99
OURS, RIVAL = "skuscribe index", "encode(), executemany, index first"
RIVAL_TABLE = """
CREATE TABLE rival (uid text, title text, content text, embedding vector(384));
CREATE INDEX ON rival USING hnsw (embedding vector_cosine_ops);
"""


@dataclass(frozen=True)
class Result:
    """What one of the two did. Memory in megabytes, time in seconds."""

    name: str
    rows: int
    seconds: float
    memory_mb: float
    recall_at_10: float | None
    ef_search: int | None


def main() -> None:
    """Run both, print the table."""
    arguments = _arguments()
    if arguments.alone:
        print(json.dumps(asdict(_ours() if arguments.alone == OURS else _rival(Path(arguments.products)))))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        services.start(work / "services")
        try:
            os.environ |= services.read_environment(work / "services")
            path = write_products(work / "held-out.parquet", _products(arguments.input, arguments.rows))
            with artifact.draft(
                Store("s3://skuscribe/bench"), layout.catalogue_path("main"), layout.Kind.CATALOGUE, {}, {}
            ) as draft:
                draft.add(layout.HELD_OUT_FILE, path)
                draft.commit({})
            results = [_alone(rival, path) for rival in (OURS, RIVAL)]
        finally:
            services.stop(work / "services")
    _print(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="rows to index (default 2000)")
    parser.add_argument(
        "--input", type=Path, help="JSON Lines, gzipped or not, with title and content; default: made up"
    )
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--products", help=argparse.SUPPRESS)
    return parser.parse_args()


def _products(path: Path | None, count: int) -> list[Product]:
    if path is None:
        return [product(number, catalogue.HELD_OUT) for number in range(count)]
    data = path.read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode().split("\n")
    rows = (row for row in map(json.loads, filter(None, lines)) if row["title"].strip() and row["content"].strip())
    return [
        Product(f"B{number}", row["title"], row["content"], number, number + 1, catalogue.HELD_OUT)
        for number, row in zip(range(count), rows, strict=False)
    ]


def _alone(name: str, products: Path) -> Result:
    command = [sys.executable, "-m", "tests.bench.bench_index", "--alone", name, "--products", str(products)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def _ours() -> Result:
    import safetensors.torch  # noqa: F401 - the libraries of both are there before the clock starts

    from jobs.database.connection import session
    from jobs.index import job as index
    from jobs.index import settings as index_settings

    started = time.monotonic()
    index.run(index_settings.Settings(store="s3://skuscribe/bench"))
    seconds = time.monotonic() - started
    with session(read_only=True) as connection:
        query = "SELECT b.rows, b.recall_at_10 ->> ef_search::text, b.ef_search FROM skuscribe.index_build b"
        rows, recall, ef_search = connection.execute(query).fetchone() or (0, 0, 0)
    return Result(OURS, rows, seconds, _peak_mb(), float(recall), ef_search)


def _rival(products: Path) -> Result:
    import pyarrow.parquet as pq
    from sentence_transformers import SentenceTransformer

    from jobs.database.connection import connect
    from jobs.retrieval.encoder import _folder_of

    rows = pq.read_table(products).to_pylist()
    with connect() as connection:
        started = time.monotonic()
        model = SentenceTransformer(str(_folder_of(DEFAULT_ENCODER)), device="cpu")
        connection.execute(RIVAL_TABLE)
        vectors = model.encode([text_to_embed(row["title"], row["content"]) for row in rows])
        values = [(row["uid"], row["title"], row["content"], vector) for row, vector in zip(rows, vectors, strict=True)]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany("INSERT INTO rival VALUES (%s, %s, %s, %s)", values)
        seconds = time.monotonic() - started
    return Result(RIVAL, len(rows), seconds, _peak_mb(), None, None)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print(results: list[Result]) -> None:
    ours, rival = results
    print(f"{'':36} {'rows':>7} {'seconds':>8} {'rows/s':>7} {'MB':>6}")
    for one in results:
        print(f"{one.name:36} {one.rows:7,} {one.seconds:8.1f} {one.rows / one.seconds:7.0f} {one.memory_mb:6.0f}")
    ratio = (ours.rows / ours.seconds) / (rival.rows / rival.seconds)
    print(
        f"ratio {ratio:.1f} (goal {GOAL:g}); recall@10 {ours.recall_at_10:.4f} at ef_search {ours.ef_search} (goal {RECALL_GOAL})"
    )


if __name__ == "__main__":
    main()
