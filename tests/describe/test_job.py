"""Descriptions are in Postgres and in the exports, part by part, and a batch is resumable."""

import csv
import gzip
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ctranslate2
import pyarrow.parquet as pq
import pytest
import torch

from jobs.database.connection import session
from jobs.describe import describer, exports, job, parts
from jobs.describe.describer import Describer
from jobs.describe.settings import Settings
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from tests.ready import HELD_OUT, NAME, SHARDS, Ready, write_merged_model, write_trained_shard

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_vectors")]


@pytest.fixture(autouse=True)
def _remove_batches(ready: Ready) -> Iterator[None]:
    """Remove the batches of each test, so that no test finds those of another."""
    yield
    for batch in ready.store.folders(layout.EXPORTS):
        artifact.remove(ready.store, layout.export_path(batch))


def describe(ready: Ready, batch: str, **settings: Any) -> Artifact | None:
    """Run `describe`, and return the batch if it is committed."""
    values = {
        "store": ready.store.url,
        "catalogue": NAME,
        "run": NAME,
        "batch": batch,
        "answer_max_tokens": 16,
        "words_only": True,
    }
    job.run(Settings.model_validate({**values, **settings}))
    return artifact.find(ready.store, layout.export_path(batch))


def describe_all(ready: Ready, batch: str, **settings: Any) -> Artifact:
    """Run `describe`, and return the batch, which must be committed."""
    committed = describe(ready, batch, **settings)
    assert committed is not None
    return committed


def rows_of(batch: Artifact, folder: Path) -> list[dict[str, Any]]:
    paths = [batch.fetch(name, folder) for name in batch.names() if name.endswith(".jsonl.gz")]
    return [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def table_rows(batch: str, columns: str) -> list[Any]:
    with session(read_only=True) as connection:
        sql = f"SELECT {columns} FROM skuscribe.description WHERE batch = %s ORDER BY uid"
        return connection.execute(sql.encode(), (batch,)).fetchall()


def test_the_held_out_titles_are_described_and_stored(ready: Ready, tmp_path: Path) -> None:
    batch = describe_all(ready, "held-out")
    assert batch.names() == ["part-00000.csv", "part-00000.jsonl.gz", "part-00000.parquet"]
    rows = rows_of(batch, tmp_path)
    held_out = ready.catalogue.read_held_out(tmp_path)
    assert [row["uid"] for row in rows] == held_out["uid"].to_pylist()
    assert [row["title"] for row in rows] == held_out["title"].to_pylist()
    model = runs.trained_shard(ready.store, NAME, SHARDS - 1)
    for row in rows:
        assert row["description"]
        assert row["model_digest"] == model.digest
        assert row["published"] == (not row["flags"])
        assert len(row["neighbours"]) == 3
        assert sorted(row["neighbour_similarities"], reverse=True) == row["neighbour_similarities"]
        assert row["error"] is None
    stored = table_rows("held-out", "uid, description, flags, published, neighbours, retries, catalogue")
    by_uid = sorted(rows, key=lambda row: str(row["uid"]))
    names = ("uid", "description", "flags", "published", "neighbours", "retries")
    assert stored == [(*(row[name] for name in names), NAME) for row in by_uid]
    figures = batch.manifest.figures
    assert figures["products"] == figures["published"] + figures["flagged"] == HELD_OUT
    assert figures["failed"] == 0
    assert figures["model"] == "shard-00001"
    assert figures["reasons"]


def test_with_fewer_trained_shards_the_model_of_the_last_one_writes(ready: Ready) -> None:
    batch = describe_all(ready, "first-shard", max_shards=1, limit=2)
    assert batch.manifest.inputs["model"] == runs.trained_shard(ready.store, NAME, 0).digest


def test_the_export_files_have_the_same_rows(ready: Ready, tmp_path: Path) -> None:
    batch = describe_all(ready, "files", limit=5)
    rows = rows_of(batch, tmp_path)
    assert len(rows) == 5
    columns = [row | {"evidence": json.dumps(row["evidence"])} for row in rows]
    assert pq.read_table(batch.fetch("part-00000.parquet", tmp_path)).to_pylist() == columns
    text = batch.fetch("part-00000.csv", tmp_path).read_bytes().decode()
    cells = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["uid"] for row in cells] == [row["uid"] for row in rows]
    assert [row["neighbours"] for row in cells] == ["; ".join(row["neighbours"]) for row in rows]


def test_a_second_run_describes_nothing_again(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    first = describe_all(ready, "twice", limit=2)
    capsys.readouterr()
    assert describe_all(ready, "twice", limit=2) == first
    assert "already done" in capsys.readouterr().err


def test_a_finished_batch_is_found_without_loading_torch(ready: Ready) -> None:
    describe_all(ready, "light", limit=2)
    flags = ["--store", ready.store.url, "--catalogue", NAME, "--run", NAME, "--batch", "light", "--limit", "2"]
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "jobs",
        "describe",
        *flags,
        "--answer-max-tokens",
        "16",
        "--words-only",
    ]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "already done" in log
    assert "jobs.describe.batch" in log
    assert "jobs.describe.describer" not in log
    assert " torch\n" not in log


def test_different_settings_are_an_error_that_names_them(ready: Ready) -> None:
    describe_all(ready, "settled", limit=2, neighbours=0)
    for setting, message in (
        ({"no_repeat_ngram": 2}, "no_repeat_ngram was 3, now 2"),
        ({"precision": "float32"}, "precision was .*, now float32"),
        ({"shard": 0}, "model was"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            describe(ready, "settled", **{"limit": 2, "neighbours": 0, **setting})


def test_a_batch_of_another_model_is_replaced_on_request(ready: Ready, tmp_path: Path) -> None:
    before = describe_all(ready, "replaced", limit=4, neighbours=0, shard=0, part_rows=2)
    after = describe_all(ready, "replaced", limit=3, neighbours=0, part_rows=2, replace=True)
    model = runs.trained_shard(ready.store, NAME, SHARDS - 1)
    assert (before.manifest.inputs["model"] == model.digest, after.manifest.inputs["model"]) == (False, model.digest)
    rows = rows_of(after, tmp_path)
    assert [row["model_digest"] for row in rows] == [model.digest] * 3
    assert table_rows("replaced", "uid, model_digest") == sorted((row["uid"], model.digest) for row in rows)


def test_a_batch_that_is_being_replaced_does_not_exist_until_all_of_it_is_replaced(
    ready: Ready, tmp_path: Path
) -> None:
    old = {"limit": 4, "neighbours": 0, "part_rows": 2, "shard": 0}
    describe_all(ready, "half", **old)
    assert describe(ready, "half", **{**old, "shard": 1, "replace": True, "index": 0}) is None
    with pytest.raises(ConfigurationError, match="model was"):  # its part 0 is of the other model
        describe(ready, "half", **old)
    again = describe_all(ready, "half", **old, replace=True)
    rows = rows_of(again, tmp_path)
    assert {row["model_digest"] for row in rows} == {runs.trained_shard(ready.store, NAME, 0).digest}
    assert table_rows("half", "uid, model_digest") == sorted((row["uid"], row["model_digest"]) for row in rows)


@pytest.mark.parametrize("fault", ["no GPU", "a model that cannot be loaded"])
def test_a_batch_stays_if_its_replacement_cannot_describe(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The precision depends on the device: on a node whose GPU does not work, the batch seems to have other settings."""
    before = describe_all(ready, "stays", limit=2, neighbours=0, precision="float32")

    def fail(*_: object) -> None:
        raise InputError("the model cannot be loaded")

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(describer, "load_describer", fail)
    with pytest.raises((ConfigurationError, NotReadyError) if fault == "no GPU" else InputError):
        describe(ready, "stays", limit=2, neighbours=0, replace=True, require_gpu=fault == "no GPU")
    assert artifact.find(ready.store, layout.export_path("stays")) == before


def test_an_index_with_other_settings_than_those_of_another_part_writes_nothing(ready: Ready) -> None:
    describe(ready, "mixed", limit=4, part_rows=2, neighbours=0, index=0)
    with pytest.raises(ConfigurationError, match="no_repeat_ngram was 3, now 2"):
        describe(ready, "mixed", limit=4, part_rows=2, neighbours=0, index=1, no_repeat_ngram=2)
    assert len(table_rows("mixed", "uid")) == 2
    assert artifact.find(ready.store, layout.export_part_path("mixed", 1)) is None


def test_a_batch_of_the_same_model_is_not_made_again(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    first = describe_all(ready, "kept", limit=2, neighbours=0, replace=True)
    assert describe_all(ready, "kept", limit=2, neighbours=0, replace=True) == first
    assert "already done" in capsys.readouterr().err


def test_the_error_names_the_setting_of_the_batch(ready: Ready) -> None:
    describe_all(ready, "named", limit=1, neighbours=0, shard=0)
    with pytest.raises(
        ConfigurationError, match=r"another --batch \(settings.batch of the chart\), replace it with --replace"
    ):
        describe(ready, "named", limit=1, neighbours=0)


def test_the_config_is_that_of_earlier_versions(ready: Ready, tmp_path: Path) -> None:
    config = {
        "limit": 2, "part_rows": 2000, "neighbours": 3, "prompt_max_tokens": 384, "beam_size": 1, "no_repeat_ngram": 3,
        "repetition_penalty": 1.2, "min_target_tokens": 8, "max_target_tokens": 16,
    }  # fmt: skip
    batch = describe_all(ready, "config", limit=2)
    precision = batch.manifest.settings["precision"]
    assert precision in ("int8", "bfloat16")
    assert batch.manifest.settings == config | {"precision": precision, "split": "held-out"}
    part = artifact.require(ready.store, layout.export_part_path("config", 0), Kind.EXPORT_PART, "describe")
    assert part.manifest.settings == {**batch.manifest.settings, "part": 0}
    (tmp_path / "titles.txt").write_text("Blue Lamp\n")
    from_file = describe_all(ready, "file", limit=2, titles=str(tmp_path / "titles.txt"))
    assert from_file.manifest.settings == config | {"precision": precision, "profile": "catalogue"}


def test_indexes_share_the_parts_of_a_batch(ready: Ready, tmp_path: Path) -> None:
    whole = describe_all(ready, "whole", part_rows=2)
    assert describe(ready, "shared", part_rows=2, workers=2, index=1) is None
    shared = describe_all(ready, "shared", part_rows=2, workers=2, index=0)
    assert shared.digest == whole.digest
    assert rows_of(shared, tmp_path) == rows_of(whole, tmp_path)


def test_parts_made_by_indexes_equal_those_made_in_order(ready: Ready, tmp_path: Path) -> None:
    together = describe_all(ready, "together", part_rows=5)
    for index in (2, 0, 7):
        assert describe(ready, "apart", part_rows=5, index=index) is None
    apart = describe_all(ready, "apart", part_rows=5, index=1)
    digests = [{name: file.sha256 for name, file in batch.manifest.files.items()} for batch in (together, apart)]
    assert len(digests[0]) == 9
    assert digests[0] == digests[1]
    assert len(rows_of(apart, tmp_path)) == apart.manifest.figures["products"] == HELD_OUT
    one_part = describe_all(ready, "one-part", part_rows=500)
    assert rows_of(one_part, tmp_path) == rows_of(together, tmp_path)


def test_a_committed_part_is_not_described_again(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    describe(ready, "resumed", part_rows=5, index=0)
    first = artifact.find(ready.store, layout.export_part_path("resumed", 0))
    assert first is not None
    capsys.readouterr()
    describe_all(ready, "resumed", part_rows=5)
    assert artifact.find(ready.store, layout.export_part_path("resumed", 0)) == first
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    committed = [event["artifact"].rpartition("/")[2] for event in events if event["event"] == "committed"]
    assert committed == ["part-00001", "part-00002", "resumed"]


def test_rows_of_parts_that_were_made_for_another_database_are_restored_at_the_end(ready: Ready) -> None:
    describe(ready, "moved", limit=4, part_rows=2, index=0)
    with session() as connection:
        connection.execute("DELETE FROM skuscribe.description WHERE batch = 'moved'")
    describe_all(ready, "moved", limit=4, part_rows=2, index=1)
    assert len(table_rows("moved", "uid")) == 4


def test_rows_of_a_finished_batch_are_restored_after_they_were_lost(ready: Ready) -> None:
    describe_all(ready, "lost", limit=3)
    before = table_rows("lost", "uid, description, neighbours, flags, neighbour_similarities")
    with session() as connection:
        connection.execute("DELETE FROM skuscribe.description WHERE batch = 'lost'")
    describe_all(ready, "lost", limit=3)
    assert len(before) == 3
    assert table_rows("lost", "uid, description, neighbours, flags, neighbour_similarities") == before


def test_verdicts_of_a_replacement_that_was_given_up_are_undone(ready: Ready) -> None:
    describe_all(ready, "given-up", limit=3)
    before = table_rows("given-up", "uid, published")
    with session() as connection:
        connection.execute("UPDATE skuscribe.description SET published = NOT published WHERE batch = 'given-up'")
        connection.execute(
            'INSERT INTO skuscribe.description SELECT (jsonb_populate_record(d, \'{"uid": "another"}\')).* '
            "FROM skuscribe.description d WHERE batch = 'given-up' LIMIT 1"
        )
    describe_all(ready, "given-up", limit=3)
    assert table_rows("given-up", "uid, published") == before


@pytest.mark.parametrize(
    "change",
    [
        "description = description || ' More.'", "title = upper(title)", "flags = flags || 'short'::text",
        "neighbours = '{}'", "neighbour_similarities[1] = 0.25", "copying = copying + 0.125", "probability = 0.5",
        """evidence = '{"short": 1}'""", "error = 'gone'",
    ],
    ids=lambda change: change.partition(" ")[0],
)  # fmt: skip
def test_a_row_that_differs_from_that_of_a_finished_batch_is_restored_and_no_other_is_written(
    ready: Ready, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    describe_all(ready, "changed", limit=4, part_rows=2)
    columns = ", ".join(exports.schema().names)
    before, times = table_rows("changed", columns), table_rows("changed", "created")
    with session() as connection:
        sql = f"UPDATE skuscribe.description SET {change} WHERE batch = 'changed' AND uid = %s"
        connection.execute(sql.encode(), [before[1][0]])
    assert table_rows("changed", columns) != before
    describe_all(ready, "changed", limit=4, part_rows=2)
    assert table_rows("changed", columns) == before
    written = [now != then for now, then in zip(table_rows("changed", "created"), times, strict=True)]
    assert written == [False, True, False, False]
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["rows"] for event in events if event["event"] == "rows restored from the export files"] == [1]


def test_texts_of_a_replacement_that_was_killed_before_it_committed_a_part_are_undone(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def killed(_rows: object, _part: int) -> dict[str, bytes]:
        raise KeyboardInterrupt

    describe_all(ready, "killed", limit=4, part_rows=2)
    before = table_rows("killed", "uid, description")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(exports, "files", killed)
        describe(ready, "killed", limit=4, part_rows=2, answer_max_tokens=12, replace=True)
    assert table_rows("killed", "uid, description") != before
    batch = describe_all(ready, "killed", limit=4, part_rows=2)
    assert table_rows("killed", "uid, description") == before
    assert sorted((row["uid"], row["description"]) for row in rows_of(batch, tmp_path)) == before


def test_a_process_with_other_settings_leaves_the_rows_of_the_batch_that_was_committed_meanwhile(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both began before there was a part, so neither found one with other settings."""
    describe_texts = Describer.describe

    def describe_slowly(self: Describer, *args: Any) -> list[exports.Description]:
        monkeypatch.setattr(Describer, "describe", describe_texts)
        described = describe_texts(self, *args)
        describe_all(ready, "raced", limit=2, neighbours=0)
        return described

    monkeypatch.setattr(Describer, "describe", describe_slowly)
    with pytest.raises(ConfigurationError, match=r"max_target_tokens was 16, now 8"):
        describe(ready, "raced", limit=2, neighbours=0, answer_max_tokens=8)
    committed = table_rows("raced", "uid, description")
    describe_all(ready, "raced", limit=2, neighbours=0)
    assert committed == table_rows("raced", "uid, description")


def parts_of(ready: Ready, batch: str) -> list[str]:
    keys = [stored.key.split("/") for stored in ready.store.objects(f"{layout.export_path(batch)}/")]
    return sorted({folder for _exports, _batch, folder, *names in keys if names})


def test_a_smaller_batch_leaves_no_part_of_the_larger_one_that_it_replaces(ready: Ready, tmp_path: Path) -> None:
    describe_all(ready, "smaller", limit=6, part_rows=2, neighbours=0)
    assert parts_of(ready, "smaller") == ["part-00000", "part-00001", "part-00002"]
    smaller = describe_all(ready, "smaller", limit=2, part_rows=2, neighbours=0, replace=True)
    assert parts_of(ready, "smaller") == ["part-00000"]
    assert len(rows_of(smaller, tmp_path)) == len(table_rows("smaller", "uid")) == 2


def test_a_part_that_a_killed_process_left_is_removed_by_the_next_run(ready: Ready) -> None:
    describe_all(ready, "left", limit=4, part_rows=2, neighbours=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "remove_leftover_parts", lambda _finished, _batch: None)
        describe_all(ready, "left", limit=2, part_rows=2, neighbours=0, replace=True)
    assert len(parts_of(ready, "left")) == 2
    describe_all(ready, "left", limit=2, part_rows=2, neighbours=0)
    assert parts_of(ready, "left") == ["part-00000"]


def test_a_part_of_a_larger_batch_that_is_being_made_is_kept(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    small: dict[str, Any] = {"limit": 2, "part_rows": 2, "neighbours": 0}
    large: dict[str, Any] = {"limit": 4, "part_rows": 2, "neighbours": 0, "replace": True}
    describe_all(ready, "growing", **small)
    time.sleep(1.1)  # S3 records the time of an object in seconds
    assert describe(ready, "growing", **large, index=1) is None
    describe_all(ready, "growing", **small)
    assert parts_of(ready, "growing") == ["part-00000", "part-00001"]
    capsys.readouterr()
    describe_all(ready, "growing", **large)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    committed = [event["artifact"].rpartition("/")[2] for event in events if event["event"] == "committed"]
    assert committed == ["part-00000", "growing"]


def test_rows_of_an_earlier_batch_of_the_name_are_removed(ready: Ready) -> None:
    """Its manifests were removed, as the error message suggests."""
    describe_all(ready, "remade", limit=4, neighbours=0, shard=0)
    artifact.remove(ready.store, layout.export_path("remade"))
    describe_all(ready, "remade", limit=3, neighbours=0)
    model = runs.trained_shard(ready.store, NAME, SHARDS - 1)
    assert table_rows("remade", "model_digest") == [(model.digest,)] * 3


def test_a_query_that_cannot_be_described_is_bad_input(ready: Ready) -> None:
    with pytest.raises(InputError, match=r"--query '.*: the title and its question are longer than 32 tokens"):
        describe(ready, "query", query="kettle " * 250, prompt_max_tokens=32)


def test_a_title_that_cannot_be_described_is_a_row_with_its_error(ready: Ready, tmp_path: Path) -> None:
    path = tmp_path / "titles.jsonl"
    rows: list[Any] = [{"uid": "good", "title": "Red Kettle &amp; lid"}, {"uid": "long", "title": "kettle " * 250}]
    rows += [
        {"uid": "void", "title": "<br>"},
        {"uid": "none"},
        ["kettle"],
        {"uid": "good", "title": "=Green \0 Lamp \ud800"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n{broken\n")
    batch = describe_all(ready, "rough", titles=str(path), prompt_max_tokens=64)
    written = {row["uid"]: row for row in rows_of(batch, tmp_path)}
    assert list(written) == ["good", "long", "void", "none", "line-5", "good#2", "line-7"]
    assert written["good"]["title"] == "Red Kettle & lid"
    errors = {uid: row["error"] for uid, row in written.items() if row["error"]}
    assert list(errors) == ["long", "void", "none", "line-5", "line-7"]
    assert "64 tokens" in errors["long"]
    assert not any(written[uid]["published"] for uid in errors)
    figures = batch.manifest.figures
    assert (figures["products"], figures["failed"]) == (7, 5)
    with session(read_only=True) as connection:
        failures = connection.execute("SELECT uid, error FROM skuscribe.failure WHERE scope = 'rough'").fetchall()
    assert dict(failures) == errors


def test_neighbours_exclude_the_product_and_its_duplicates(ready: Ready, tmp_path: Path) -> None:
    for row in rows_of(describe_all(ready, "train", split="train", limit=20), tmp_path):
        assert row["uid"] not in row["neighbours"]
    [product] = ready.catalogue.read_shard(0, tmp_path).slice(10, 1).to_pylist()
    path = tmp_path / "titles.csv"
    path.write_text(f'uid,title\n{product["uid"]},"{product["title"]}"\nother,"{product["title"]}"\n')
    own, other = rows_of(describe_all(ready, "named", titles=str(path)), tmp_path)
    assert product["uid"] not in own["neighbours"]
    assert product["uid"] == other["neighbours"][0]


def test_without_neighbours_no_index_is_needed(ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_index(_catalogue: str, _digest: str) -> None:
        raise AssertionError("the index was looked up")

    monkeypatch.setattr(job, "find_index", find_index)
    batch = describe_all(ready, "no-index", limit=2, neighbours=0)
    assert "index" not in batch.manifest.inputs
    assert [row["neighbours"] for row in rows_of(batch, tmp_path)] == [[], []]


def test_equal_titles_get_equal_descriptions(ready: Ready, tmp_path: Path) -> None:
    path = tmp_path / "titles.txt"
    path.write_text("Blue Lamp\n\nBlue Lamp\nGreen Desk\n")
    rows = rows_of(describe_all(ready, "equal", titles=str(path)), tmp_path)
    assert [row["uid"] for row in rows] == ["line-1", "line-3", "line-4"]
    assert rows[0] | {"uid": ""} == rows[1] | {"uid": ""}


def test_a_query_is_printed_and_not_stored(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    assert describe(ready, "query", query="Blue <b>Lamp</b> 30 cm") is None
    output = capsys.readouterr().out
    assert output.startswith("Blue Lamp 30 cm\n")
    assert "neighbours" in output
    assert "repetition" in output
    assert table_rows("query", "uid") == []
    with pytest.raises(InputError, match="--query"):
        describe(ready, "query", query="<br>")


def test_a_missing_model_catalogue_or_index_is_retried(ready: Ready) -> None:
    with pytest.raises(NotReadyError, match="train --run absent"):
        describe(ready, "early", run="absent")
    with pytest.raises(NotReadyError, match="prepare --catalogue absent"):
        describe(ready, "early", catalogue="absent")
    with artifact.draft(ready.store, layout.catalogue_path("unindexed"), Kind.CATALOGUE, {}, {}) as draft:
        for shard in range(SHARDS):
            draft.add_bytes(layout.shard_file(shard), b"")
        draft.commit({})
    with pytest.raises(NotReadyError, match="index --catalogue unindexed"):
        describe(ready, "early", catalogue="unindexed")


def test_the_model_is_that_of_the_last_shard_of_the_catalogue_of_the_run(ready: Ready) -> None:
    with artifact.draft(ready.store, layout.catalogue_path("one-shard"), Kind.CATALOGUE, {}, {}) as draft:
        draft.add_bytes(layout.shard_file(0), b"")
        draft.commit({})
    with pytest.raises(NotReadyError, match="index --catalogue one-shard"):
        describe(ready, "other-neighbours", catalogue="one-shard", shard=SHARDS - 1)
    with pytest.raises(ConfigurationError, match=f"--shard {SHARDS}: the catalogue '{NAME}' of the run"):
        describe(ready, "other-neighbours", catalogue="one-shard", shard=SHARDS)


def test_the_model_of_shards_that_were_trained_at_once_is_their_merged_one(ready: Ready) -> None:
    runs.freeze(ready.store, "merged", {"catalogue": NAME, "model": NAME, "shards_at_once": 2})
    with pytest.raises(NotReadyError, match="train --run merged`"):
        describe(ready, "merged", run="merged")
    merged = write_merged_model(ready.store, "merged", range(2), runs.base_model(ready.store, f"{NAME}-1"))
    batch = describe_all(ready, "merged", run="merged", limit=1)
    assert (batch.manifest.inputs["model"], batch.manifest.figures["model"]) == (merged.digest, "merged/shard-00001")
    with pytest.raises(ConfigurationError, match=r"--shard 0: .* trains 2 shards at once .* after these shards: 1"):
        describe(ready, "merged", run="merged", shard=0)


def test_an_empty_query_is_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="query"):
        Settings(query="")


def test_a_wrong_setting_is_an_error_that_names_it(ready: Ready, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--shard 9: .* has 2 shards"):
        describe(ready, "wrong", shard=9)
    with pytest.raises(ConfigurationError, match="another encoder"):
        describe(ready, "wrong", encoder=str(Path(__file__).parent))
    with pytest.raises(ConfigurationError, match="--titles"):
        describe(ready, "wrong", titles=str(tmp_path / "none.csv"))
    with pytest.raises(ValueError, match="--answer-min-tokens"):
        describe(ready, "wrong", answer_min_tokens=20)


def test_a_required_gpu_that_is_missing_is_an_error(ready: Ready) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigurationError, match="finds no GPU"):
        describe(ready, "on-gpu", limit=1, require_gpu=True)


def test_a_file_in_which_nothing_can_be_used_publishes_nothing(ready: Ready, tmp_path: Path) -> None:
    path = tmp_path / "titles.jsonl"
    path.write_text('{"asin": "B1", "name": "Steel kettle"}\n')
    with pytest.raises(InputError, match="1 of 1 titles cannot be used"):
        describe(ready, "nothing", titles=str(path))
    assert list(ready.store.objects(layout.export_path("nothing"))) == []
    batch = describe_all(ready, "nothing", titles=str(path), title_field="name")
    assert batch.manifest.settings["title_field"] == "name"
    assert [row["title"] for row in rows_of(batch, tmp_path)] == ["Steel kettle"]


def test_a_model_trained_without_neighbours_is_shown_none_unless_the_user_sets_a_number(ready: Ready) -> None:
    runs.freeze(ready.store, "plain", {"catalogue": NAME, "model": NAME})
    write_trained_shard(ready.store, "plain", SHARDS - 1, ready.base)
    as_trained = describe_all(ready, "as-trained", run="plain", limit=1)
    chosen = describe_all(ready, "chosen", run="plain", limit=1, neighbours=2)
    assert (as_trained.manifest.settings["neighbours"], chosen.manifest.settings["neighbours"]) == (0, 2)
