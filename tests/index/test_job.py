"""The index: incremental, swapped in at once, measured, and the same after any interruption."""

import io
import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import cli
from jobs.database.connection import session
from jobs.index import hnsw, product_table
from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.process.settings import parse
from jobs.retrieval.encoder import Encoder
from jobs.storage import artifact, catalogue, layout
from jobs.storage.catalogue import Product
from jobs.storage.store import Store
from tests.factories import product

PRODUCTS = [product(number, "train" if number % 10 else "test") for number in range(60)]
HELD_OUT = [product(number, "held-out") for number in range(60, 70)]


def commit(store: Store, *files: Sequence[Product]) -> None:
    """Put a catalogue in the place of the one before: its shards, and as the last one its held-out set."""
    artifact.remove(store, layout.catalogue_path("main"))
    names = [layout.shard_file(shard) for shard in range(len(files) - 1)] + [layout.HELD_OUT_FILE]
    with artifact.draft(
        store, layout.catalogue_path("main"), layout.Kind.CATALOGUE, {"made_by": "a test"}, {}
    ) as draft:
        for name, products in zip(names, files, strict=True):
            buffer = io.BytesIO()
            rows = [vars(item) for item in products]
            pq.write_table(pa.Table.from_pylist(rows, schema=catalogue.PRODUCT_SCHEMA), buffer)
            draft.add_bytes(name, buffer.getvalue())
        draft.commit({})


def build(store: Store, **settings: Any) -> None:
    index.run(index_settings.Settings(store=store.url, **settings))


def ask(query: str) -> list[tuple[Any, ...]]:
    with session(read_only=True) as connection:
        return connection.execute(query.encode()).fetchall()


def facts(capture: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in capture.readouterr().err.splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event]


def test_every_product_is_searchable_with_its_vector(store: Store, database: str) -> None:
    commit(store, PRODUCTS[:30], PRODUCTS[30:], HELD_OUT)
    build(store)
    rows = ask("SELECT uid, title, content, cluster, row, split, shard FROM skuscribe.product ORDER BY row")
    shards = [0] * 30 + [1] * 30 + [None] * 10
    expected = [
        (item.uid, item.title, item.content, item.cluster, item.row, item.split, shard)
        for item, shard in zip(PRODUCTS + HELD_OUT, shards, strict=True)
    ]
    assert rows == expected
    assert ask(
        "SELECT DISTINCT vector_dims(embedding), l2_norm(embedding)::numeric(4, 2) = 1 FROM skuscribe.product"
    ) == [(384, True)]
    assert ask("SELECT count(*) FROM skuscribe.embedded") == [(0,)], "what has arrived does not wait any more"


def test_a_search_really_uses_the_hnsw_index(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    with session() as connection, connection.transaction():
        connection.execute("SET LOCAL enable_sort = off")  # 70 rows are quicker to sort
        plan = connection.execute(
            "EXPLAIN SELECT uid FROM skuscribe.product WHERE catalogue = 'main' AND embedding IS NOT NULL ORDER BY "
            "embedding::halfvec(384) <=> (SELECT embedding FROM skuscribe.product WHERE uid = 'P000003') LIMIT 5"
        ).fetchall()
    assert any("Index Scan using product_1_1_hnsw" in line for (line,) in plan)


def test_a_second_run_finds_it_done(
    store: Store, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    monkeypatch.setattr(Encoder, "encode", None)
    capsys.readouterr()
    build(store)
    (said,) = facts(capsys, "already done")
    assert (said["generation"], said["rows"]) == (1, 70)


def test_already_done_answers_without_torch(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    script = (
        f"import sys; from jobs import cli; code = cli.main(['index', '--store', '{store.url}']);"
        "sys.exit(code or 'torch' in sys.modules or 'pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "already done" in done.stderr


def test_new_and_changed_rows_alone_are_embedded_and_removed_rows_go(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    before = dict(ask("SELECT uid, embedding::text FROM skuscribe.product"))
    changed = replace(PRODUCTS[3], content="Entirely rewritten: a globe with countries and seas.")
    added = product(500, "train")
    commit(store, [*PRODUCTS[:3], changed, *PRODUCTS[5:], added], HELD_OUT)  # P000004 is gone
    capsys.readouterr()
    build(store)
    assert [said["embedded"] for said in facts(capsys, "embedded")] == [2, 0]
    after = dict(ask("SELECT uid, embedding::text FROM skuscribe.product"))
    assert set(after) == set(before) - {"P000004"} | {"P000500"}
    assert {uid for uid in after if after[uid] != before.get(uid)} == {"P000003", "P000500"}
    assert ask("SELECT generation, vectors_new, rows_removed, rows FROM skuscribe.index_build ORDER BY generation") == [
        (1, 70, 0, 70), (2, 2, 1, 70),
    ]  # fmt: skip


def test_a_row_that_moves_to_another_split_or_cluster_is_updated_without_embedding_it(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    commit(store, [replace(item, split="test", cluster=7) for item in PRODUCTS], HELD_OUT)
    capsys.readouterr()
    build(store)
    assert [said["embedded"] for said in facts(capsys, "embedded")] == [0, 0]
    assert ask("SELECT DISTINCT split, cluster FROM skuscribe.product WHERE shard = 0") == [("test", 7)]


def test_other_parameters_build_again_and_embed_nothing(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    capsys.readouterr()
    build(store, m=24)
    assert sum(said["embedded"] for said in facts(capsys, "embedded")) == 0
    assert ask("SELECT m, generation FROM skuscribe.catalogue") == [(24, 2)]


def test_equal_texts_are_embedded_once(store: Store, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    twins = [replace(PRODUCTS[0], uid=f"T{number}", row=1000 + number) for number in range(5)]
    commit(store, [*PRODUCTS, *twins], HELD_OUT)
    capsys.readouterr()
    build(store)
    assert [said["embedded"] for said in facts(capsys, "embedded")] == [60, 10]
    assert ask("SELECT count(DISTINCT embedding::text) FROM skuscribe.product WHERE uid ~ '^T' OR uid = 'P000000'") == [
        (1,)
    ]


def test_a_second_catalogue_stands_beside_the_first_and_takes_the_vectors_that_are_there(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    with artifact.draft(store, layout.catalogue_path("second"), layout.Kind.CATALOGUE, {}, {}) as draft:
        buffer = io.BytesIO()
        rows = [vars(item) for item in HELD_OUT]
        pq.write_table(pa.Table.from_pylist(rows, schema=catalogue.PRODUCT_SCHEMA), buffer)
        draft.add_bytes(layout.HELD_OUT_FILE, buffer.getvalue())
        draft.commit({})
    capsys.readouterr()
    build(store, catalogue="second")
    assert [said["embedded"] for said in facts(capsys, "embedded")] == [0]
    assert ask("SELECT catalogue, count(*) FROM skuscribe.product GROUP BY 1 ORDER BY 1") == [
        ("main", 70),
        ("second", 10),
    ]


def test_parts_embed_side_by_side_and_the_build_waits_for_all(store: Store, database: str) -> None:
    commit(store, PRODUCTS[:30], PRODUCTS[30:], HELD_OUT)
    Encoder().encode(["loaded before the threads start"])
    threads = [threading.Thread(target=build, args=(store,), kwargs={"phase": "embed", "index": 0}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask("SELECT count(*) FROM skuscribe.embedded") == [(30,)]
    with pytest.raises(NotReadyError, match=r"shard-00001.parquet \(30 texts\), held-out.parquet \(10 texts\)"):
        build(store, phase="build")
    build(store, phase="embed", index=1)
    build(store, phase="embed", index=2)
    build(store, phase="build")
    assert ask("SELECT count(*), count(embedding) FROM skuscribe.product") == [(70, 70)]
    with pytest.raises(ConfigurationError, match="has 3 files, 0 to 2"):
        commit(store, PRODUCTS[:30], PRODUCTS[31:], HELD_OUT)
        build(store, phase="embed", index=3)


def test_readers_see_the_old_index_or_the_new_one_and_nothing_between(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    seen, stop = set(), threading.Event()

    def poll() -> None:
        with session(read_only=True) as connection:
            while not stop.is_set():
                query = "SELECT count(*), min(cluster), max(cluster) FROM skuscribe.product WHERE catalogue = 'main'"
                seen.add(connection.execute(query).fetchone())

    thread = threading.Thread(target=poll)
    thread.start()
    for cluster, rows in ((901, 50), (902, 40), (903, 30)):
        commit(
            store, [replace(item, cluster=cluster) for item in PRODUCTS[:rows]], [replace(HELD_OUT[0], cluster=cluster)]
        )
        build(store)
    stop.set()
    thread.join()
    whole = {(70, 0, 69), (51, 901, 901), (41, 902, 902), (31, 903, 903)}
    assert len(seen) >= 2
    assert seen <= whole


def test_a_long_query_on_the_old_index_delays_the_swap_and_is_not_cut(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    commit(store, PRODUCTS[:20], HELD_OUT)
    monkeypatch.setattr(product_table, "PUBLISH_ATTEMPTS", 1)
    monkeypatch.setattr(product_table, "LOCK_TIMEOUT", "100ms")
    with psycopg.connect() as reader:
        reader.execute("SELECT count(*) FROM skuscribe.product")
        with pytest.raises(NotReadyError, match="another session"):
            build(store)
        assert reader.execute("SELECT count(*) FROM skuscribe.product").fetchone() == (70,)
    build(store)
    assert ask("SELECT count(*) FROM skuscribe.product") == [(30,)]


KILLED = """
import os, signal
from jobs.index import job as index
from jobs.retrieval import encoder as embedding
from jobs.index import hnsw, product_table
index.EMBED_ROWS = 16
calls = []
def deadly(function, after):
    def wrapped(*arguments):
        calls.append(1)
        if len(calls) > after:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return wrapped
{patch}
index.run(index_settings.Settings(store={store!r}))
"""
PATCHES = {
    "while embedding": "embedding.Encoder.encode = deadly(embedding.Encoder.encode, 2)",
    "while loading": "product_table.copy = deadly(product_table.copy, 3)",
    "before the HNSW index": "hnsw.create = deadly(hnsw.create, 0)",
    "before the swap": "product_table.publish = deadly(product_table.publish, 0)",
    "in the swap": "product_table._one = deadly(product_table._one, 0)",
}


def test_killed_anywhere_and_run_again_it_gives_the_same_index(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    for where, patch in PATCHES.items():
        script = KILLED.format(patch=patch, store=store.url)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, (where, done.stderr)
        assert ask("SELECT count(*) FROM skuscribe.product") == [(0,)], where
        if where == "while embedding":
            assert ask("SELECT count(*) FROM skuscribe.embedded") == [(32,)], "what was embedded is kept"
            build(store, phase="embed")
            assert ask("SELECT count(*) FROM skuscribe.embedded") == [(70,)]
    build(store)
    assert ask("SELECT count(*), count(embedding) FROM skuscribe.product") == [(70, 70)]
    assert ask("SELECT count(*) FROM pg_class WHERE relname ~ '^product_[0-9]+_[0-9]+$'") == [(1,)], (
        "leftovers are gone"
    )
    vectors = np.array(
        [json.loads(row[0]) for row in ask("SELECT embedding::text FROM skuscribe.product ORDER BY row")]
    )
    from jobs.retrieval.encoder import text_to_embed

    expected = Encoder().encode([text_to_embed(item.title, item.content) for item in PRODUCTS + HELD_OUT])
    assert (vectors * expected).sum(axis=1).min() > 0.999


def test_two_builders_build_once(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store, phase="embed")
    threads = [threading.Thread(target=build, args=(store,), kwargs={"phase": "build"}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask("SELECT generation FROM skuscribe.index_build") == [(1,)]


def test_recall_is_measured_and_the_smallest_sufficient_ef_search_is_stored(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    ((recall, ef_search, queries),) = ask("SELECT recall_at_10, ef_search, recall_queries FROM skuscribe.index_build")
    assert queries == 200
    assert recall[str(ef_search)] >= 0.99
    assert all(value < 0.99 for name, value in recall.items() if int(name) < ef_search)
    assert ask("SELECT ef_search FROM skuscribe.catalogue") == [(ef_search,)]


def test_another_recall_wanted_of_an_index_that_stands_chooses_ef_search_anew(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    with session() as connection:
        connection.execute(
            """UPDATE skuscribe.index_build SET recall_at_10 = '{"40": 0.991, "80": 0.999}', ef_search = 40"""
        )
        connection.execute("UPDATE skuscribe.catalogue SET ef_search = 40")
    for wanted, ef_search in ((0.999, 80), (0.99, 40)):
        build(store, recall_at_least=wanted)
        assert ask("SELECT generation, ef_search FROM skuscribe.catalogue") == [(1, ef_search)]
        assert ask("SELECT ef_search FROM skuscribe.index_size") == [(ef_search,)]


def test_recall_counts_by_distance() -> None:
    exact = {1: [0.1, 0.2, 0.3], 2: [0.5]}
    assert hnsw.recall_of(exact, exact) == 1.0
    assert hnsw.recall_of(exact, {1: [0.1, 0.2, 0.9], 2: [0.5]}) == 0.75
    assert hnsw.recall_of(exact, {1: [], 2: [0.6]}) == 0.0
    assert hnsw.recall_of({}, {}) == 1.0


def test_the_smallest_ef_search_with_the_recall_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert hnsw.choose_ef_search({"40": 0.93, "80": 0.991, "120": 0.999}, 0.99) == 80
    assert hnsw.choose_ef_search({"40": 0.5, "80": 0.6}, 0.99) == 80
    assert "raise --m" in capsys.readouterr().err


def test_memory_for_the_build_grows_with_the_rows() -> None:
    sizes = [hnsw.build_bytes(rows, hnsw.Recipe(384, 16, 64)) for rows in (1, 50_000, 1_300_000)]
    assert sizes == sorted(sizes)
    assert 60e6 < sizes[1] < 200e6


def test_a_row_that_cannot_be_stored_becomes_a_failure_and_the_others_stand(store: Store, database: str) -> None:
    bad = replace(PRODUCTS[0], content="broken \0 text")
    commit(store, [bad, *PRODUCTS[1:]], HELD_OUT)
    build(store)
    assert ask("SELECT count(*) FROM skuscribe.product") == [(69,)]
    assert ask("SELECT job, scope, uid FROM skuscribe.failure WHERE error ~ 'NUL'") == [("index", "main", "P000000")]
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    assert ask("SELECT count(*) FROM skuscribe.failure") == [(0,)]


def test_a_vector_that_is_no_number_becomes_a_failure(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Encoder.encode

    def broken(self: Encoder, texts: Sequence[str]) -> np.ndarray:
        vectors = real(self, texts)
        vectors[[PRODUCTS[5].title in text for text in texts]] = np.nan
        return vectors

    monkeypatch.setattr(Encoder, "encode", broken)
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    assert ask("SELECT uid FROM skuscribe.product WHERE embedding IS NULL") == [("P000005",)]
    assert ask("SELECT uid FROM skuscribe.failure") == [("P000005",)]
    assert ask("SELECT sum(missing) FROM skuscribe.coverage") == [(1,)]


def test_an_empty_catalogue_makes_an_empty_index(store: Store, database: str) -> None:
    commit(store, [], [])
    build(store)
    assert ask("SELECT rows, recall_at_10 FROM skuscribe.index_build") == [(0, {"40": 1.0})]


def test_a_catalogue_that_is_not_prepared_is_not_ready(store: Store, database: str) -> None:
    with pytest.raises(NotReadyError, match="skuscribe prepare"):
        build(store)


def test_wrong_settings_are_told_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(index_settings.Settings, "index", "", ["--m", "3", "--phase", "fast", "--build-memory-mb", "1"])
    assert all(name in str(caught.value) for name in ("--m", "--phase", "--build-memory-mb"))
    with pytest.raises(ConfigurationError, match="twice --m"):
        parse(index_settings.Settings, "index", "", ["--m", "64"])


def test_one_file_and_the_build_do_not_go_together() -> None:
    with pytest.raises(ConfigurationError, match="leave one of the two out"):
        parse(index_settings.Settings, "index", "", ["--index", "0", "--phase", "build"])


def test_without_postgres_the_exit_code_is_75(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    monkeypatch.setenv("PGPORT", "1")
    assert cli.main(["index", "--store", store.url]) == 75


def test_memory_that_the_server_lacks_is_done_without(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of a container with a small /dev/shm, which the embedded server on this machine cannot be made to give."""
    real, tried = hnsw._create, itertools.count()

    def first_fails(*arguments: Any) -> None:
        if next(tried) == 0:
            raise psycopg.errors.DiskFull("could not resize shared memory segment to 2 GB: No space left on device")
        real(*arguments)

    monkeypatch.setattr(hnsw, "_create", first_fails)
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    assert "/dev/shm" in capsys.readouterr().err
    assert ask("SELECT count(*) FROM skuscribe.product") == [(70,)]


def test_no_sql_text_stands_in_the_jobs() -> None:
    words = ("SELECT ", "INSERT ", "CREATE TABLE", "DELETE FROM", "ALTER TABLE")
    package = Path(index.__file__).parent
    for path in (package / "index.py", *(package / "search").glob("*.py")):
        assert not [word for word in words if word in path.read_text()], path.name
