"""`delete` removes a whole catalogue, model, matcher, run or batch from the store and from Postgres, and nothing else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from jobs.cli import main
from jobs.database import short_attempts
from jobs.database.connection import exclusive, session
from jobs.database.migrations import migrate
from jobs.delete import contents, job, rows
from jobs.delete.settings import Settings
from jobs.index import job as index
from jobs.index import product_table
from jobs.index.settings import Settings as IndexSettings
from jobs.local import postgres
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.retrieval.search_index import find_index
from jobs.status import job as status
from jobs.status.settings import Settings as StatusSettings
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from tests.audit import batches
from tests.index import catalogues
from tests.index.catalogues import HELD_OUT, PRODUCTS

ALTERNATIVE = "INSERT INTO skuscribe.alternative VALUES (%s, 'red', 'blue', 1, 'Red Pan', 'Blue Pan')"
LABEL = """INSERT INTO skuscribe.audit_label (batch, uid, text_digest, label, stratum, stratum_rows)
           VALUES (%s, 'P000001', 'x', 'right', 'published', 1)"""


def commit(store: Store, path: str, kind: Kind, inputs: Mapping[str, str] | None = None, **settings: str) -> Artifact:
    with artifact.draft(store, path, kind, settings | {"path": path}, inputs or {}) as draft:
        draft.add_bytes("file", path.encode())
        return draft.commit({})


def delete(store: Store, path: str, *, yes: bool = True) -> None:
    job.run(Settings(store=store.url, path=path, yes=yes))


def keys(store: Store, prefix: str = "") -> list[str]:
    return [stored.key for stored in store.objects(prefix) if stored.key != layout.CONDITIONAL_WRITES_PROBE]


def select(query: str) -> list[tuple[Any, ...]]:
    with session(read_only=True) as connection:
        return connection.execute(query.encode()).fetchall()


def write(*statements: tuple[str, list[Any]]) -> None:
    with session() as connection:
        migrate(connection)
        for query, values in statements:
            connection.execute(query.encode(), values)


def write_batch(store: Store, name: str) -> None:
    """Write a batch with a part, labels, a failure and a threshold, as `describe` and `audit` do."""
    part = commit(store, layout.export_part_path(name, 0), Kind.EXPORT_PART)
    export = commit(store, layout.export_path(name), Kind.EXPORT, {"part": part.digest})
    commit(store, layout.audit_path(name), Kind.AUDIT, {"export": export.digest})
    store.write(layout.threshold_path(name, 0.99, "0" * 64), b"{}")
    batches.write([batches.description(number) for number in range(4)], name)
    write((LABEL, [name]), ("INSERT INTO skuscribe.failure VALUES ('describe', %s, 'P000001', 'why')", [name]))


def write_run(store: Store, name: str, config: Mapping[str, str] | None = None) -> None:
    """Write a run with two shards, of which one has only a checkpoint, an evaluation and a report."""
    runs.freeze(store, name, config or {})
    first = commit(store, layout.trained_shard_path(name, 0), Kind.TRAINED_SHARD)
    checkpoint = f"{layout.trained_shard_path(name, 1)}/{layout.CHECKPOINT_FOLDER}{layout.checkpoint_name(400)}"
    commit(store, checkpoint, Kind.CHECKPOINT, {"parent": first.digest})
    commit(store, layout.evaluation_path(name, "base"), Kind.EVALUATION)
    commit(store, layout.report_path(name), Kind.REPORT)


def build_index(store: Store, name: str) -> None:
    index.run(IndexSettings.model_validate({"store": store.url, "catalogue": name}))


def status_lines(store: Store, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    status.run(StatusSettings(store=store.url))
    return capsys.readouterr().out.splitlines()


def test_without_yes_everything_is_listed_and_nothing_changes(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_batch(store, "old")
    report = commit(store, layout.report_path("main"), Kind.REPORT)
    runs.freeze(store, "main", {})
    before = keys(store)
    delete(store, "exports/old", yes=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{store.at('exports/old')}  7 objects  0.0 MB  last upload ")
    assert "  exports/old  export  3 objects  0.0 MB" in lines
    assert "  exports/old/audit  audit  2 objects  0.0 MB" in lines
    assert "  exports/old/part-00000  export-part  2 objects  0.0 MB" in lines
    assert "  skuscribe.description  4 rows" in lines
    assert "  skuscribe.audit_label  1 rows  labels of people, which no job can make again" in lines
    assert lines[-1] == "nothing is deleted without --yes"
    assert keys(store) == before
    assert artifact.find(store, report.path) is not None
    assert select("SELECT count(*) FROM skuscribe.description") == [(4,)]


def test_a_batch_is_deleted_with_its_rows_and_no_other_batch(store: Store, database: str) -> None:
    for name in ("old", "old-2"):
        write_batch(store, name)
    kept = keys(store, "exports/old-2/")
    delete(store, "exports/old/")
    assert keys(store) == kept
    for table, column in (("description", "batch"), ("audit_label", "batch"), ("failure", "scope")):
        assert select(f"SELECT DISTINCT {column} FROM skuscribe.{table}") == [("old-2",)]


def test_a_run_and_a_model_need_no_postgres(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGPORT", "9")
    for name in ("old", "older"):
        write_run(store, name)
        commit(store, layout.model_path(name), Kind.MODEL)
    kept = keys(store, "models/older/") + keys(store, "runs/older/")
    delete(store, store.at("runs/old"))  # as `artifacts` lists it
    delete(store, "models/old")
    assert keys(store) == kept
    assert not [line for line in status_lines(store, capsys) if line.startswith(("runs/old ", "models/old "))]


def test_a_run_is_listed_and_deleted_with_its_merged_models_and_made_from_its_catalogue_once(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = {"catalogue": commit(store, layout.catalogue_path("main"), Kind.CATALOGUE).digest}
    runs.freeze(store, "main", {"shards_at_once": 2})
    for shard in range(2):
        commit(store, layout.trained_shard_path("main", shard), Kind.TRAINED_SHARD, inputs)
    merged = commit(store, layout.merged_model_path("main", 1), Kind.MERGED_MODEL, inputs)
    commit(store, layout.export_path("main"), Kind.EXPORT, {"model": merged.digest})
    delete(store, "catalogue/main", yes=False)
    assert "made from it, not deleted: runs/main" in capsys.readouterr().out.splitlines()
    delete(store, "runs/main")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  runs/main/merged/shard-00001  merged-model  2 objects") for line in lines)
    assert "made from it, not deleted: exports/main" in lines
    assert keys(store, "runs/") == []


def test_the_alternatives_of_a_catalogue_are_deleted_with_its_last_matcher(store: Store, database: str) -> None:
    for name, catalogue in (("first", "main"), ("second", "main"), ("third", "other")):
        commit(store, layout.matcher_path(name), Kind.MATCHER, catalogue=catalogue)
    write((ALTERNATIVE, ["main"]), (ALTERNATIVE, ["other"]))
    delete(store, "matchers/first")
    assert select("SELECT catalogue FROM skuscribe.alternative ORDER BY 1") == [("main",), ("other",)]
    delete(store, "matchers/second")
    assert select("SELECT catalogue FROM skuscribe.alternative") == [("other",)]
    assert {key.split("/")[1] for key in keys(store)} == {"third"}


@pytest.mark.slow
@pytest.mark.usefixtures("kept_vectors")
def test_a_catalogue_is_deleted_from_the_index_and_another_keeps_its_vectors(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("main", "other"):
        catalogues.commit(store, PRODUCTS[:20], HELD_OUT, name=name)
        build_index(store, name)
    write(
        (ALTERNATIVE, ["main"]),
        ("INSERT INTO skuscribe.failure VALUES ('index', 'main', 'P000001', 'why')", []),
        ("CREATE TABLE skuscribe.product_1_9 (LIKE skuscribe.product)", []),  # as a killed build leaves it
        (
            "INSERT INTO skuscribe.embedded SELECT content_hash, embedding FROM skuscribe.product WHERE row = 1 LIMIT 1",
            [],
        ),
    )
    main = "SELECT uid, embedding::text FROM skuscribe.product WHERE catalogue = 'main' ORDER BY row"
    others = "SELECT uid, embedding::text FROM skuscribe.product WHERE catalogue = 'other' ORDER BY row"
    made, kept = select(main), select(others)
    delete(store, "catalogue/main")
    assert {key.split("/")[1] for key in keys(store)} == {"other"}
    assert select(others) == kept
    assert len(select("SELECT * FROM skuscribe.nearest('other', 'P000003', 5)")) == 5
    for table in ("catalogue", "product", "index_build"):
        assert select(f"SELECT DISTINCT catalogue FROM skuscribe.{table}") == [("other",)]
    assert (
        select("SELECT count(*) FROM skuscribe.alternative")
        == select("SELECT count(*) FROM skuscribe.failure")
        == [(0,)]
    )
    assert select("SELECT count(*) FROM skuscribe.embedded") == [(1,)]
    assert select("SELECT relname FROM pg_class WHERE relname ~ '^product_1_[0-9]+$'") == []
    assert not [line for line in status_lines(store, capsys) if "main" in line]

    catalogues.commit(store, PRODUCTS[:20], HELD_OUT)
    build_index(store, "main")
    assert select(main) == made
    assert select("SELECT generation FROM skuscribe.catalogue WHERE catalogue = 'main'") == [(1,)]


@pytest.mark.slow
@pytest.mark.usefixtures("kept_vectors")
def test_what_was_made_from_the_catalogue_or_from_its_index_is_named(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogues.commit(store, PRODUCTS[:20], HELD_OUT)
    build_index(store, "main")
    found = artifact.find(store, "catalogue/main")
    assert found is not None
    searched = find_index("main", found.digest)
    commit(store, "matchers/a", Kind.MATCHER, {"catalogue": found.digest})
    commit(store, "exports/a/part-00000", Kind.EXPORT_PART, {"index": searched.digest})
    commit(store, "exports/other", Kind.EXPORT, {"index": "0" * 64})
    runs.freeze(store, "started", {"catalogue_digest": found.digest})
    delete(store, "catalogue/main", yes=False)
    assert "made from it, not deleted: exports/a, matchers/a, runs/started" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("deletions", [0, 1, 3, 5, 8])
def test_a_run_whose_deletion_was_killed_is_shown_and_deleted_the_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], deletions: int
) -> None:
    write_run(store, "old")
    assert len(keys(store)) == 9
    with killed_after(deletions):
        delete(store, "runs/old")
    manifests = [key for key in keys(store) if key.endswith("manifest.json")]
    files = [key for key in keys(store) if key.endswith("/file")]
    assert not manifests or len(files) == 4
    assert any(line.startswith("runs/old  ") for line in status_lines(store, capsys))
    delete(store, "runs/old")
    assert keys(store) == []


@contextmanager
def killed_after(deletions: int) -> Iterator[None]:
    """End the block at the deletion of an object after this number of them."""
    delete_object = Store.delete
    done: list[str] = []

    def delete_or_die(self: Store, key: str) -> None:
        if len(done) >= deletions:
            raise KeyboardInterrupt
        done.append(key)
        delete_object(self, key)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "delete", delete_or_die)
        yield


def test_a_batch_whose_deletion_was_killed_between_its_rows_and_its_objects_is_deleted_the_next_time(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_batch(store, "old")
    with killed_after(0):
        delete(store, "exports/old")
    assert select("SELECT count(*) FROM skuscribe.description") == [(0,)]
    delete(store, "exports/old")
    assert keys(store) == []


def test_rows_without_artifacts_and_objects_without_a_manifest_are_deleted(store: Store, database: str) -> None:
    batches.write([batches.description(1)], "old")
    delete(store, "exports/old")
    assert select("SELECT count(*) FROM skuscribe.description") == [(0,)]
    store.write("catalogue/old/attempt-1/shard-00000.parquet", b"")
    delete(store, "catalogue/old")
    assert keys(store) == []


def test_an_artifact_whose_manifest_cannot_be_read_is_deleted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("damaged", "other"):
        store.write(f"models/{name}/manifest.json", b"{}")
    delete(store, "models/damaged")
    assert "  models/damaged  its manifest cannot be read  1 objects  0.0 MB" in capsys.readouterr().out
    assert keys(store) == ["models/other/manifest.json"]


def test_a_run_whose_configuration_cannot_be_read_is_deleted_and_so_are_others(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(store, "other")
    store.write(layout.run_config_path("damaged"), b"{")
    delete(store, "runs/other")
    assert "configuration of a run not readable" in capsys.readouterr().err
    assert keys(store) == [layout.run_config_path("damaged")]
    delete(store, "runs/damaged")
    assert keys(store) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("runs/old/shard-00001", "is a part of runs/old: only the whole can be deleted, --path runs/old"),
        ("exports/old/audit/", "is a part of exports/old: only the whole can be deleted"),
        ("runs/", "expected catalogue/NAME, .* such as runs/old"),
        ("runs", "expected catalogue/NAME, .* such as runs/old"),
        ("/", "expected catalogue/NAME"),
        ("old", "expected catalogue/NAME, .* such as runs/old"),
        ("runs/..", "expected catalogue/NAME"),
        ("runs/ol", "there is nothing at .*/runs/ol: set --path to .* such as runs/old"),
        ("s3://another/store/runs/old", "is not in the store .*: set --store"),
    ],
)
def test_a_path_that_is_no_whole_unit_or_does_not_exist_deletes_nothing(store: Store, path: str, message: str) -> None:
    write_run(store, "old")
    before = keys(store)
    with pytest.raises(ConfigurationError, match=message):
        delete(store, path)
    assert keys(store) == before


def test_a_variable_neither_chooses_what_to_delete_nor_deletes_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(store, "old")
    before = keys(store)
    for name, value in {"PATH": "runs/old", "RUN": "old", "YES": "true"}.items():
        monkeypatch.setenv(f"SKUSCRIBE_{name}", value)
    assert main(["delete", "--yes"]) == 78
    assert "--path: expected a text that is not empty, found nothing" in capsys.readouterr().err
    assert main(["delete", "--path", "runs/old"]) == 0
    assert keys(store) == before
    assert main(["delete", "--path", "runs/old", "--yes"]) == 0
    assert keys(store) == []


@pytest.mark.parametrize("path", ["catalogue/old", "matchers/old", "exports/old"])
def test_without_postgres_nothing_is_deleted(store: Store, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    commit(store, path, Kind.EXPORT, catalogue="main")
    before = keys(store)
    monkeypatch.setenv("PGPORT", "9")
    with pytest.raises(NotReadyError, match="Postgres cannot be reached"):
        delete(store, path)
    assert keys(store) == before


def test_a_user_who_may_not_delete_rows_deletes_no_artifact(
    store: Store, database: str, environment: dict[str, str]
) -> None:
    write_batch(store, "old")
    before = keys(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGUSER", postgres.READER)
        patch.setenv("PGPASSWORD", environment["SKUSCRIBE_READER_PASSWORD"])
        with pytest.raises(ConfigurationError, match="lacks a privilege"):
            delete(store, "exports/old")
    assert keys(store) == before


def test_a_database_without_tables_has_no_rows(store: Store, database: str) -> None:
    commit(store, "catalogue/old", Kind.CATALOGUE)
    delete(store, "catalogue/old")
    assert keys(store) == []


def test_a_catalogue_whose_index_is_being_built_is_not_deleted(
    store: Store, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, "catalogue/old", Kind.CATALOGUE)
    write(("INSERT INTO skuscribe.catalogue (catalogue) VALUES ('old')", []))
    before = keys(store)
    with exclusive(product_table.build_lock("old")):
        with pytest.raises(NotReadyError, match="the index of catalogue/old is being built"):
            delete(store, "catalogue/old")
        assert "its index is being built now: process " in capsys.readouterr().out
        assert keys(store) == before
    delete(store, "catalogue/old")
    assert keys(store) == []


def test_no_build_of_the_index_begins_before_the_last_file_of_the_catalogue_is_deleted(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, "catalogue/old", Kind.CATALOGUE)
    write()
    delete_objects, free = contents.delete, list[tuple[Any, ...]]()

    def delete_and_try_the_lock(store: Store, objects: Any) -> None:
        delete_objects(store, objects)
        key = product_table.build_lock("old")
        free.extend(select(f"SELECT pg_try_advisory_xact_lock(hashtextextended('{key}', 0))"))

    monkeypatch.setattr(contents, "delete", delete_and_try_the_lock)
    delete(store, "catalogue/old")
    assert free == [(False,)]


def test_a_catalogue_that_a_query_reads_is_not_deleted(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, "catalogue/old", Kind.CATALOGUE)
    write(
        ("INSERT INTO skuscribe.catalogue (catalogue) VALUES ('old')", []),
        ("CREATE TABLE skuscribe.product_1_1 PARTITION OF skuscribe.product FOR VALUES IN ('old')", []),
    )
    before = keys(store)
    monkeypatch.setattr(short_attempts, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(rows, "WAIT_FOR_READERS_SECONDS", 0)
    with psycopg.connect() as other:
        other.execute("SELECT count(*) FROM skuscribe.product")
        with pytest.raises(NotReadyError, match="another session"):
            delete(store, "catalogue/old")
    assert keys(store) == before
    assert select("SELECT catalogue FROM skuscribe.catalogue") == [("old",)]


def test_what_a_job_writes_meanwhile_is_an_error_and_deleted_the_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(store, "old")
    delete_objects = contents.delete

    def write_meanwhile(store: Store, objects: Any) -> None:
        delete_objects(store, objects)
        commit(store, layout.trained_shard_path("old", 1), Kind.TRAINED_SHARD)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "delete", write_meanwhile)
        with pytest.raises(
            NotReadyError, match=r"a job has written 2 objects meanwhile, such as .*runs/old/shard-00001/"
        ):
            delete(store, "runs/old")
    delete(store, "runs/old")
    assert keys(store) == []
