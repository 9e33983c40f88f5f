"""The index job: it embeds new texts only, replaces the index in one step, and measures its recall, also after a kill."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from jobs import cli
from jobs.database import short_attempts
from jobs.database.connection import session
from jobs.database.errors import ConnectionLostError
from jobs.index import hnsw, product_table, publish
from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.process.command_line import parse
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.retrieval.encoder import Encoder, text_to_embed
from jobs.storage.store import Store
from tests.database.roles import superuser
from tests.factories import product
from tests.index.catalogues import HELD_OUT, PRODUCTS, commit

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_vectors")]


def build(store: Store, **settings: Any) -> None:
    index.run(index_settings.Settings(store=store.url, **settings))


def select(query: str) -> list[tuple[Any, ...]]:
    with session(read_only=True) as connection:
        return connection.execute(query.encode()).fetchall()


def logged(capture: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in capture.readouterr().err.splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event]


def test_every_product_is_searchable_with_its_vector(store: Store, database: str) -> None:
    commit(store, PRODUCTS[:30], PRODUCTS[30:], HELD_OUT)
    build(store)
    rows = select("SELECT uid, title, content, cluster, row, split, shard FROM skuscribe.product ORDER BY row")
    shards = [0] * 30 + [1] * 30 + [None] * 10
    expected = [
        (item.uid, item.title, item.content, item.cluster, item.row, item.split, shard)
        for item, shard in zip(PRODUCTS + HELD_OUT, shards, strict=True)
    ]
    assert rows == expected
    assert select(
        "SELECT DISTINCT vector_dims(embedding), l2_norm(embedding)::numeric(4, 2) = 1 FROM skuscribe.product"
    ) == [(384, True)]
    assert select("SELECT count(*) FROM skuscribe.embedded") == [(0,)]


def test_a_search_uses_the_hnsw_index(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    with session() as connection, connection.transaction():
        connection.execute("SET LOCAL enable_sort = off")  # the planner prefers to sort 70 rows
        plan = connection.execute(
            "EXPLAIN SELECT uid FROM skuscribe.product WHERE catalogue = 'main' AND embedding IS NOT NULL ORDER BY "
            "embedding::halfvec(384) <=> (SELECT embedding FROM skuscribe.product WHERE uid = 'P000003') LIMIT 5"
        ).fetchall()
    assert any("Index Scan using product_1_1_hnsw" in line for (line,) in plan)


def test_a_second_run_is_already_done_and_encodes_nothing(
    store: Store, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    monkeypatch.setattr(Encoder, "encode", None)
    capsys.readouterr()
    build(store)
    (event,) = logged(capsys, "already done")
    assert (event["generation"], event["rows"]) == (1, 70)


def test_already_done_loads_no_torch(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    script = (
        f"import sys; from jobs import cli; code = cli.main(['index', '--store', '{store.url}']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "already done" in result.stderr


def test_only_new_and_changed_texts_are_embedded_and_removed_products_leave_the_index(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    before = dict(select("SELECT uid, embedding::text FROM skuscribe.product"))
    changed = replace(PRODUCTS[3], content="A globe with countries and seas.")
    added = product(500, "train")
    commit(store, [*PRODUCTS[:3], changed, *PRODUCTS[5:], added], HELD_OUT)  # without P000004
    capsys.readouterr()
    build(store)
    assert [event["embedded"] for event in logged(capsys, "embedded")] == [2, 0]
    after = dict(select("SELECT uid, embedding::text FROM skuscribe.product"))
    assert set(after) == set(before) - {"P000004"} | {"P000500"}
    assert {uid for uid in after if after[uid] != before.get(uid)} == {"P000003", "P000500"}
    assert select("SELECT generation, vectors_new, rows_removed, rows FROM skuscribe.index_build ORDER BY generation") == [
        (1, 70, 0, 70), (2, 2, 1, 70),
    ]  # fmt: skip


def test_a_product_that_changes_split_or_cluster_is_updated_without_being_embedded(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    commit(store, [replace(item, split="test", cluster=7) for item in PRODUCTS], HELD_OUT)
    capsys.readouterr()
    build(store)
    assert [event["embedded"] for event in logged(capsys, "embedded")] == [0, 0]
    assert select("SELECT DISTINCT split, cluster FROM skuscribe.product WHERE shard = 0") == [("test", 7)]


def test_other_parameters_build_a_new_index_and_embed_nothing(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    capsys.readouterr()
    build(store, m=24)
    assert sum(event["embedded"] for event in logged(capsys, "embedded")) == 0
    assert select("SELECT m, generation FROM skuscribe.catalogue") == [(24, 2)]


def test_equal_texts_are_embedded_once(store: Store, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    duplicates = [replace(PRODUCTS[0], uid=f"T{number}", row=1000 + number) for number in range(5)]
    commit(store, [*PRODUCTS, *duplicates], HELD_OUT)
    capsys.readouterr()
    build(store)
    assert [event["embedded"] for event in logged(capsys, "embedded")] == [60, 10]
    assert select(
        "SELECT count(DISTINCT embedding::text) FROM skuscribe.product WHERE uid ~ '^T' OR uid = 'P000000'"
    ) == [(1,)]


def test_a_second_catalogue_uses_the_vectors_of_the_first(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    commit(store, HELD_OUT, name="second")
    capsys.readouterr()
    build(store, catalogue="second")
    assert [event["embedded"] for event in logged(capsys, "embedded")] == [0]
    assert select("SELECT catalogue, count(*) FROM skuscribe.product GROUP BY 1 ORDER BY 1") == [
        ("main", 70),
        ("second", 10),
    ]


def test_vectors_that_another_catalogue_has_lost_since_are_computed_by_the_build(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    commit(store, PRODUCTS, HELD_OUT, name="second")
    build(store, catalogue="second", phase="embed")
    commit(store, [replace(item, content="Another text.") for item in PRODUCTS], HELD_OUT)
    build(store)
    build(store, catalogue="second", phase="build")
    assert select("SELECT count(embedding) FROM skuscribe.product WHERE catalogue = 'second'") == [(70,)]


def test_files_are_embedded_concurrently_and_the_build_embeds_the_others(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS[:30], PRODUCTS[30:], HELD_OUT)
    Encoder().encode(["import torch before the threads start"])
    threads = [threading.Thread(target=build, args=(store,), kwargs={"phase": "embed", "index": 0}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert select("SELECT count(*) FROM skuscribe.embedded") == [(30,)]
    build(store, phase="embed", index=2)
    capsys.readouterr()
    build(store, phase="build")
    assert [(event["file"], event["embedded"]) for event in logged(capsys, "embedded")] == [("shard-00001.parquet", 30)]
    assert select("SELECT count(*), count(embedding) FROM skuscribe.product") == [(70, 70)]


def test_an_index_beyond_the_last_file_embeds_nothing(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS[:30], PRODUCTS[30:], HELD_OUT)
    build(store, phase="embed", index=3)
    assert "nothing to do: no file with this index" in capsys.readouterr().err


def test_readers_see_the_old_index_or_the_new_one_never_a_mixture(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    expected = [(70, 0, 69), (51, 901, 901), (41, 902, 902), (31, 903, 903)]  # products, lowest and highest cluster
    seen: list[tuple[Any, ...]] = []
    changed, stop = threading.Condition(), threading.Event()

    def poll() -> None:
        with session(read_only=True) as connection:
            while not stop.is_set():
                query = "SELECT count(*), min(cluster), max(cluster) FROM skuscribe.product WHERE catalogue = 'main'"
                row = connection.execute(query).fetchone()
                with changed:
                    if row is not None and row not in seen[-1:]:
                        seen.append(row)
                    changed.notify()

    def wait_until_seen(row: tuple[Any, ...]) -> None:
        with changed:
            assert changed.wait_for(lambda: row in seen, timeout=60), f"the reader saw {seen} and not {row}"

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        wait_until_seen(expected[0])
        for rows, cluster, _ in expected[1:]:
            products = [replace(item, cluster=cluster) for item in PRODUCTS[: rows - 1]]
            commit(store, products, [replace(HELD_OUT[0], cluster=cluster)])
            build(store)
            wait_until_seen((rows, cluster, cluster))
    finally:
        stop.set()
        thread.join()
    assert seen == expected


def test_a_long_query_delays_the_new_index_and_is_not_interrupted(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    commit(store, PRODUCTS[:20], HELD_OUT)
    monkeypatch.setattr(publish, "PUBLISH_SECONDS", 1)
    monkeypatch.setattr(short_attempts, "LOCK_TIMEOUT", "100ms")
    with psycopg.connect() as reader:
        reader.execute("SELECT count(*) FROM skuscribe.product")
        with pytest.raises(NotReadyError, match="another session"):
            build(store)
        assert reader.execute("SELECT count(*) FROM skuscribe.product").fetchone() == (70,)
    build(store)
    assert select("SELECT count(*) FROM skuscribe.product") == [(30,)]


def test_a_finished_build_waits_for_a_reader_and_is_published_then(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    commit(store, PRODUCTS[:20], HELD_OUT)
    monkeypatch.setattr(short_attempts, "LOCK_TIMEOUT", "100ms")
    with psycopg.connect() as reader:
        reader.execute("SELECT count(*) FROM skuscribe.product")
        end = threading.Timer(1, reader.close)
        end.start()
        build(store)
        end.join()
    assert select("SELECT count(*) FROM skuscribe.product") == [(30,)]


KILLED = """
import os, signal
import psycopg
from jobs.index import embedding, job, settings
embedding.EMBED_ROWS = 16
execute, runs = psycopg.Connection.execute, 0
def execute_or_die(self, query, *arguments, **options):
    global runs
    text = query if isinstance(query, str) else query.as_string(self)
    if {words!r} in text:
        runs += 1
        if runs == {run}:
            os.kill(os.getpid(), signal.SIGKILL)
    return execute(self, query, *arguments, **options)
psycopg.Connection.execute = execute_or_die
job.run(settings.Settings(store={store!r}))
"""
KILL_AT = {  # a part of the statement, and which of its executions is killed, from 1
    "embedding": ("INSERT INTO skuscribe.embedded", 3),
    "loading": ("ANALYZE loaded", 1),
    "building the HNSW index": ("CREATE INDEX", 1),
    "measuring recall": ("LIMIT 11", 1),
    "publishing": ("ATTACH PARTITION", 1),
    "recording the build": ("INSERT INTO skuscribe.index_build", 1),
}


@pytest.mark.kills
def test_a_job_killed_at_any_step_and_run_again_builds_the_same_index(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    for step, (words, run) in KILL_AT.items():
        script = KILLED.format(words=words, run=run, store=store.url)
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert result.returncode == -signal.SIGKILL, (step, result.stderr)
        assert select("SELECT count(*) FROM skuscribe.product") == [(0,)], step
        if step == "embedding":
            assert select("SELECT count(*) FROM skuscribe.embedded") == [(32,)], "two chunks of 16 were stored"
            build(store, phase="embed")
            assert select("SELECT count(*) FROM skuscribe.embedded") == [(70,)]
    build(store)
    assert select("SELECT count(*), count(embedding) FROM skuscribe.product") == [(70, 70)]
    tables = select("SELECT relname FROM pg_class WHERE relname ~ '^product_[0-9]+_[0-9]+$'")
    assert tables == [("product_1_1",)], "tables of killed builds are dropped"
    vectors = np.array(
        [json.loads(row[0]) for row in select("SELECT embedding::text FROM skuscribe.product ORDER BY row")]
    )
    expected = Encoder().encode([text_to_embed(item.title, item.content) for item in PRODUCTS + HELD_OUT])
    assert (vectors * expected).sum(axis=1).min() > 0.999


def test_a_build_that_loses_its_lock_goes_on_with_the_table_and_the_index_that_it_has(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    done: list[str] = []
    measure_recall = hnsw.measure_recall

    def recorded(module: Any, name: str) -> None:
        function = getattr(module, name)

        def record(*arguments: Any) -> Any:
            done.append(name)
            return function(*arguments)

        monkeypatch.setattr(module, name, record)

    def lose_the_lock(*arguments: Any) -> dict[str, float]:
        select("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        return measure_recall(*arguments)

    monkeypatch.setattr(hnsw, "measure_recall", lose_the_lock)
    recorded(product_table, "fill")
    recorded(hnsw, "create")
    recorded(hnsw, "measure_recall")
    build(store)
    assert done == ["fill", "create", "measure_recall"]
    assert [line["generation"] for line in logged(capsys, "indexed")] == [1]
    assert select("SELECT count(embedding) FROM skuscribe.product") == [(70,)]


def test_a_publication_whose_answer_is_lost_is_not_done_twice(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    answers: list[dict[str, int | float]] = []

    def publish_and_lose_the_answer(*arguments: Any) -> dict[str, int | float]:
        answers.append(publish.publish(*arguments))
        if len(answers) == 1:
            raise ConnectionLostError("the connection to Postgres was lost")
        return answers[-1]

    monkeypatch.setattr(index, "publish", publish_and_lose_the_answer)
    build(store)
    first, second = answers
    assert first == second
    assert [line["rows"] for line in logged(capsys, "indexed")] == [70]
    assert select("SELECT generation FROM skuscribe.index_build") == [(1,)]
    assert select("SELECT count(*) FROM skuscribe.product") == [(70,)]


@pytest.mark.parametrize("lost", [1, 2])
def test_a_build_that_ends_its_server_process_is_repeated_once_with_less_memory(
    store: Store, database: str, lost: int
) -> None:
    commit(store, PRODUCTS[:3], HELD_OUT[:1])
    build(store, phase="embed")
    with superuser(database) as connection:
        connection.execute(
            f"""
            CREATE SEQUENCE public.builds;
            CREATE SEQUENCE public.parallel_builds;
            CREATE FUNCTION public.kill() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN
                IF current_setting('max_parallel_maintenance_workers') > '0' THEN
                    PERFORM nextval('public.parallel_builds');
                END IF;
                IF nextval('public.builds') <= {lost} THEN
                    PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(10);
                END IF;
            END $$;
            CREATE EVENT TRIGGER kill ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.kill()
        """.encode()
        )
    if lost == 1:
        build(store, phase="build")
    else:
        with pytest.raises(NotReadyError, match=r"was lost in 2 builds of an index.*more memory"):
            build(store, phase="build")
    with superuser(database) as connection:
        counts = "SELECT b.last_value, p.last_value FROM public.builds b, public.parallel_builds p"
        assert connection.execute(counts).fetchone() == (2, 1)


def test_concurrent_builders_build_once(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store, phase="embed")
    threads = [threading.Thread(target=build, args=(store,), kwargs={"phase": "build"}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert select("SELECT generation FROM skuscribe.index_build") == [(1,)]


def test_the_smallest_ef_search_with_the_recall_is_stored(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    ((recall, ef_search, queries),) = select(
        "SELECT recall_at_10, ef_search, recall_queries FROM skuscribe.index_build"
    )
    assert queries == hnsw.RECALL_QUERIES == 200
    assert recall[str(ef_search)] >= 0.99
    assert all(value < 0.99 for name, value in recall.items() if int(name) < ef_search)
    assert select("SELECT ef_search FROM skuscribe.catalogue") == [(ef_search,)]


def test_another_minimum_recall_chooses_ef_search_again_without_a_build(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    with session() as connection:
        connection.execute(
            """UPDATE skuscribe.index_build SET recall_at_10 = '{"40": 0.991, "80": 0.999}', ef_search = 40"""
        )
        connection.execute("UPDATE skuscribe.catalogue SET ef_search = 40")
    for minimum, ef_search in ((0.999, 80), (0.99, 40)):
        build(store, recall_at_least=minimum)
        assert select("SELECT generation, ef_search FROM skuscribe.catalogue") == [(1, ef_search)]
        assert select("SELECT ef_search FROM skuscribe.index_size") == [(ef_search,)]


def test_a_minimum_recall_above_what_was_measured_is_measured(store: Store, database: str) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    with session() as connection:
        connection.execute("""UPDATE skuscribe.index_build SET recall_at_10 = '{"40": 0.9995}'""")
    build(store, recall_at_least=0.9996)
    assert select("SELECT generation, ef_search FROM skuscribe.catalogue") == [(2, 40)]
    build(store, recall_at_least=1)
    assert select("SELECT generation FROM skuscribe.catalogue") == [(2,)]


def test_recall_counts_neighbours_by_distance() -> None:
    exact = {1: [0.1, 0.2, 0.3], 2: [0.5]}
    assert hnsw.recall_of(exact, exact) == 1.0
    assert hnsw.recall_of(exact, {1: [0.1, 0.2, 0.9], 2: [0.5]}) == 0.75
    assert hnsw.recall_of(exact, {1: [], 2: [0.6]}) == 0.0
    assert hnsw.recall_of({}, {}) == 1.0


def test_the_smallest_ef_search_with_the_recall_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert hnsw.choose_ef_search({"40": 0.93, "80": 0.991, "120": 0.999}, 0.99) == 80
    assert hnsw.choose_ef_search({"40": 0.5, "80": 0.6}, 0.99) == 80
    assert "raise --m" in capsys.readouterr().err


def test_the_memory_of_a_build_grows_with_the_rows() -> None:
    sizes = [hnsw.build_bytes(rows, hnsw.Parameters(384, 16, 64)) for rows in (1, 50_000, 1_300_000)]
    assert sizes == sorted(sizes)
    assert 60e6 < sizes[1] < 200e6


def test_a_text_that_postgres_cannot_store_becomes_a_failure(store: Store, database: str) -> None:
    bad = replace(PRODUCTS[0], content="broken \0 text")
    commit(store, [bad, *PRODUCTS[1:]], HELD_OUT)
    build(store)
    assert select("SELECT count(*) FROM skuscribe.product") == [(69,)]
    assert select("SELECT job, scope, uid FROM skuscribe.failure WHERE error ~ 'NUL'") == [("index", "main", "P000000")]
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    assert select("SELECT count(*) FROM skuscribe.failure") == [(0,)]


def test_a_vector_that_is_not_finite_becomes_a_failure_of_each_product_with_its_text(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Encoder.encode

    def broken(self: Encoder, texts: Sequence[str]) -> np.ndarray:
        vectors = real(self, texts)
        vectors[[PRODUCTS[5].title in text for text in texts]] = np.nan
        return vectors

    in_file, in_other_file = (replace(PRODUCTS[5], uid=f"SAME{row}", row=row) for row in (900, 901))
    commit(store, [*PRODUCTS, in_file], [*HELD_OUT, in_other_file])
    failed = [("P000005",), ("SAME900",), ("SAME901",)]
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode", broken)
        build(store)
    assert select("SELECT uid FROM skuscribe.product WHERE embedding IS NULL ORDER BY uid") == failed
    assert select("SELECT uid FROM skuscribe.failure ORDER BY uid") == failed
    assert select("SELECT sum(missing) FROM skuscribe.coverage") == [(3,)]
    commit(store, [replace(item, content="a corrected text") for item in PRODUCTS], HELD_OUT)
    build(store, phase="build")
    assert select("SELECT sum(missing) FROM skuscribe.coverage") == [(0,)]


def test_vectors_that_vanish_while_the_table_is_filled_are_missed(store: Store, database: str) -> None:
    """Another catalogue's build removes vectors that nothing uses."""
    commit(store, PRODUCTS[:3], HELD_OUT[:1])
    build(store, phase="embed")
    with superuser(database) as connection:
        connection.execute("""
            CREATE FUNCTION public.forget() RETURNS event_trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'skuscribe.product_1_1') THEN
                    DELETE FROM skuscribe.embedded;
                END IF;
            END $$;
            CREATE EVENT TRIGGER forget ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.forget()
        """)
    with pytest.raises(NotReadyError, match=r"not embedded yet: shard-00000\S* \(3 texts\), held-out\S* \(1 texts\)"):
        build(store, phase="build")
    assert select("SELECT count(*) FROM skuscribe.product") == [(0,)]


def test_an_empty_catalogue_gives_an_empty_index(store: Store, database: str) -> None:
    commit(store, [], [])
    build(store)
    assert select("SELECT rows, recall_at_10 FROM skuscribe.index_build") == [(0, {"40": 1.0})]


def test_a_catalogue_that_is_not_prepared_is_not_ready(store: Store, database: str) -> None:
    with pytest.raises(NotReadyError, match="skuscribe prepare"):
        build(store)


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(index_settings.Settings, "index", "", ["--m", "3", "--phase", "fast", "--recall-at-least", "2"])
    assert all(name in str(caught.value) for name in ("--m", "--phase", "--recall-at-least"))
    with pytest.raises(ConfigurationError, match="twice --m"):
        parse(index_settings.Settings, "index", "", ["--m", "64"])


def test_one_file_and_the_build_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="give only one of the two"):
        parse(index_settings.Settings, "index", "", ["--index", "0", "--phase", "build"])


def test_without_postgres_the_exit_code_is_75(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(store, PRODUCTS, HELD_OUT)
    monkeypatch.setenv("PGPORT", "1")
    assert cli.main(["index", "--store", store.url]) == 75


def test_a_small_dev_shm_of_the_server_is_avoided_by_a_build_without_workers(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of a server in a container is simulated: the local server cannot be made to give it."""
    execute, builds = psycopg.Connection.execute, []

    def fail_first_build(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(query, sql.Composed) and "CREATE INDEX" in query.as_string(self):
            workers = execute(self, "SHOW max_parallel_maintenance_workers").fetchone()
            builds.append(workers)
            if len(builds) == 1:
                raise psycopg.errors.DiskFull("could not resize shared memory segment to 2 GB: No space left on device")
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", fail_first_build)
    commit(store, PRODUCTS, HELD_OUT)
    build(store)
    assert builds == [("2",), ("0",)]
    assert "/dev/shm" in capsys.readouterr().err
    assert select("SELECT count(*) FROM skuscribe.product") == [(70,)]
