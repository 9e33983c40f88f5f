"""Titles in, checked descriptions out: in Postgres and in the exports, part by part, whatever happens on the way."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.database import connection as database
from jobs.describe import job as describe
from jobs.describe import settings as describe_settings
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from tests.ready import HELD_OUT, NAME, SHARDS, Ready

SHORT = {"answer_max_tokens": 16, "threads": 1}


def described(ready: Ready, batch: str, **chosen: Any) -> Artifact | None:
    """What stands after a run of `describe`."""
    values = {"store": ready.store.url, "catalogue": NAME, "run": NAME, "batch": batch, **SHORT, **chosen}
    describe.run(describe_settings.Settings.model_validate(values))
    return artifact.find(ready.store, layout.export_path(batch))


def rows_of(batch: Artifact, folder: Path) -> list[dict[str, Any]]:
    paths = [batch.fetch(name, folder) for name in batch.names() if name.endswith(".jsonl.gz")]
    return [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def table_rows(batch: str, columns: str) -> list[Any]:
    with database.session(read_only=True) as connection:
        sql = f"SELECT {columns} FROM skuscribe.description WHERE batch = %s ORDER BY uid"
        return connection.execute(sql.encode(), (batch,)).fetchall()


def test_the_held_out_titles_are_described_and_stored(ready: Ready, tmp_path: Path) -> None:
    found = described(ready, "held-out")
    assert found is not None
    assert found.names() == ["part-00000.csv", "part-00000.jsonl.gz", "part-00000.parquet"]
    rows = rows_of(found, tmp_path)
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
    figures = found.manifest.figures
    assert figures["products"] == figures["published"] + figures["flagged"] == HELD_OUT
    assert figures["failed"] == 0
    assert figures["model"] == "shard-00001"
    assert figures["reasons"]


def test_the_files_say_the_same(ready: Ready, tmp_path: Path) -> None:
    found = described(ready, "files", limit=5)
    assert found is not None
    rows = rows_of(found, tmp_path)
    assert pq.read_table(found.fetch("part-00000.parquet", tmp_path)).to_pylist() == rows
    page = found.fetch("part-00000.csv", tmp_path).read_bytes().decode()
    cells = list(csv.DictReader(io.StringIO(page, newline="")))
    assert [row["uid"] for row in cells] == [row["uid"] for row in rows]
    assert [row["neighbours"] for row in cells] == ["; ".join(row["neighbours"]) for row in rows]


def test_a_second_run_finds_it_done(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    first = described(ready, "twice", limit=2)
    capsys.readouterr()
    second = described(ready, "twice", limit=2)
    assert first is not None
    assert first == second
    assert "already done" in capsys.readouterr().err


def test_other_settings_are_another_batch(ready: Ready) -> None:
    described(ready, "settled", limit=2, neighbours=0)
    with pytest.raises(ConfigurationError, match="no_repeat_ngram was 3, now 2"):
        described(ready, "settled", limit=2, neighbours=0, no_repeat_ngram=2)
    with pytest.raises(ConfigurationError, match="model was"):
        described(ready, "settled", limit=2, neighbours=0, shard=0)


def test_two_indexes_share_a_batch_of_many_parts(ready: Ready, tmp_path: Path) -> None:
    together = described(ready, "whole", part_rows=2)
    assert described(ready, "shared", part_rows=2, parts=2, index=1) is None
    shared = described(ready, "shared", part_rows=2, parts=2, index=0)
    assert together is not None
    assert shared is not None
    assert rows_of(shared, tmp_path) == rows_of(together, tmp_path)


def test_the_precision_that_was_computed_in_is_part_of_the_fingerprint(ready: Ready) -> None:
    found = described(ready, "precise", limit=1)
    assert found is not None
    assert found.manifest.settings["precision"] == "int8"
    with pytest.raises(ConfigurationError, match="precision was int8, now float32"):
        described(ready, "precise", limit=1, precision="float32")


def test_a_missing_file_of_titles_names_the_setting_to_correct(ready: Ready, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="correct --titles"):
        described(ready, "none", titles=str(tmp_path / "none.csv"))


def test_a_gpu_that_is_required_and_missing_is_a_wrong_setting(ready: Ready) -> None:
    import torch

    if torch.cuda.is_available():
        assert described(ready, "on-gpu", limit=1, require_gpu=True)
        return
    with pytest.raises(ConfigurationError, match="no GPU that torch"):
        described(ready, "on-gpu", limit=1, require_gpu=True)


def test_parts_done_by_indexes_are_those_done_in_order(ready: Ready, tmp_path: Path) -> None:
    together = described(ready, "together", part_rows=5)
    assert described(ready, "apart", part_rows=5, index=2) is None
    assert described(ready, "apart", part_rows=5, index=0) is None
    assert described(ready, "apart", part_rows=5, index=7) is None
    apart = described(ready, "apart", part_rows=5, index=1)
    assert together is not None
    assert apart is not None
    digests = [{name: item.sha256 for name, item in batch.manifest.files.items()} for batch in (together, apart)]
    assert len(digests[0]) == 9
    assert digests[0] == digests[1]
    assert len(rows_of(apart, tmp_path)) == apart.manifest.figures["products"] == HELD_OUT
    again = described(ready, "whole", part_rows=500)
    assert again is not None
    assert rows_of(again, tmp_path) == rows_of(together, tmp_path)


def test_a_finished_part_is_not_described_again(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    described(ready, "resumed", part_rows=5, index=0)
    first = artifact.find(ready.store, layout.export_part_path("resumed", 0))
    capsys.readouterr()
    described(ready, "resumed", part_rows=5)
    assert artifact.find(ready.store, layout.export_part_path("resumed", 0)) == first
    parts = [json.loads(line)["part"] for line in capsys.readouterr().err.splitlines() if "part described" in line]
    assert parts == [1, 2]


def test_a_batch_whose_rows_were_lost_gets_them_back(ready: Ready) -> None:
    described(ready, "lost", limit=3)
    before = table_rows("lost", "uid, description, neighbours, flags, neighbour_similarities")
    with database.session() as connection:
        connection.execute("DELETE FROM skuscribe.description WHERE batch = 'lost'")
    described(ready, "lost", limit=3)
    assert len(before) == 3
    assert table_rows("lost", "uid, description, neighbours, flags, neighbour_similarities") == before


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
    found = described(ready, "rough", titles=str(path), prompt_max_tokens=64)
    assert found is not None
    written = {row["uid"]: row for row in rows_of(found, tmp_path)}
    assert list(written) == ["good", "long", "void", "none", "line-5", "good#2", "line-7"]
    assert written["good"]["title"] == "Red Kettle & lid"
    errors = {uid: row["error"] for uid, row in written.items() if row["error"]}
    assert list(errors) == ["long", "void", "none", "line-5", "line-7"]
    assert "64 tokens" in errors["long"]
    assert not any(written[uid]["published"] for uid in errors)
    figures = found.manifest.figures
    assert (figures["products"], figures["failed"]) == (7, 5)
    with database.session(read_only=True) as connection:
        failures = connection.execute("SELECT uid, error FROM skuscribe.failure WHERE scope = 'rough'").fetchall()
    assert dict(failures) == errors


def test_neighbours_are_neither_the_product_nor_of_its_cluster(ready: Ready, tmp_path: Path) -> None:
    found = described(ready, "train", split="train", limit=20)
    assert found is not None
    for row in rows_of(found, tmp_path):
        assert row["uid"] not in row["neighbours"]
    train = ready.catalogue.read_shard(0, tmp_path)
    [title] = [row["title"] for row in train.slice(10, 1).to_pylist()]
    [uid] = [row["uid"] for row in train.slice(10, 1).to_pylist()]
    path = tmp_path / "titles.csv"
    path.write_text(f'uid,title\n{uid},"{title}"\nother,"{title}"\n')
    named = described(ready, "named", titles=str(path))
    assert named is not None
    own, other = rows_of(named, tmp_path)
    assert uid not in own["neighbours"]
    assert uid == other["neighbours"][0]


def test_without_neighbours_no_index_is_needed(ready: Ready, tmp_path: Path) -> None:
    found = described(ready, "alone", limit=2, neighbours=0)
    assert found is not None
    assert all(row["neighbours"] == [] for row in rows_of(found, tmp_path))


def test_equal_titles_get_equal_descriptions(ready: Ready, tmp_path: Path) -> None:
    path = tmp_path / "titles.txt"
    path.write_text("Blue Lamp\n\nBlue Lamp\nGreen Desk\n")
    found = described(ready, "equal", titles=str(path))
    assert found is not None
    rows = rows_of(found, tmp_path)
    assert [row["uid"] for row in rows] == ["line-1", "line-3", "line-4"]
    assert rows[0] | {"uid": ""} == rows[1] | {"uid": ""}


def test_a_query_is_answered_on_stdout_and_stored_nowhere(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    before = {item.key for item in ready.store.objects("exports/")}
    described(ready, "query", query="Blue <b>Lamp</b> 30 cm")
    shown = capsys.readouterr().out
    assert shown.startswith("Blue Lamp 30 cm\n")
    assert "neighbours" in shown
    assert "repetition" in shown
    assert {item.key for item in ready.store.objects("exports/")} == before
    with pytest.raises(InputError, match="--query"):
        described(ready, "query", query="<br>")


def test_what_is_not_there_yet_is_worth_a_retry(ready: Ready) -> None:
    with pytest.raises(NotReadyError, match="train --run other"):
        described(ready, "early", run="other")
    with pytest.raises(NotReadyError, match="prepare --catalogue other"):
        described(ready, "early", catalogue="other")
    unindexed = artifact.Draft(ready.store, layout.catalogue_path("unindexed"), layout.Kind.CATALOGUE, {}, {})
    unindexed.add_bytes("shard-00000.parquet", b"")
    unindexed.add_bytes("shard-00001.parquet", b"")
    unindexed.commit({})
    with pytest.raises(NotReadyError, match="index --catalogue unindexed"):
        described(ready, "early", catalogue="unindexed")


def test_wrong_settings_are_told_at_once(ready: Ready) -> None:
    with pytest.raises(ConfigurationError, match="counted from 0"):
        described(ready, "wrong", shard=9)
    with pytest.raises(ConfigurationError, match="another encoder"):
        described(ready, "wrong", encoder=str(Path(__file__).parent))
    with pytest.raises(ValueError, match="--answer-min-tokens"):
        described(ready, "wrong", answer_min_tokens=20)


@pytest.fixture(autouse=True)
def _clean(ready: Ready) -> Iterator[None]:
    """Batches are kept for no other test."""
    yield
    for name in ready.store.folders("exports/"):
        artifact.remove(ready.store, f"exports/{name}")
