"""The results in the output folder: the model, the descriptions that it wrote and the report."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.describe import exports
from jobs.local import results, summary
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, layout, runs
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from tests.factories import write_catalogue

pytestmark = pytest.mark.slow


def write_run(store: Store, trained: int, writer: int, prefix: str = "") -> None:
    """Commit a run of this many trained shards. `writer`: the shard whose model wrote the descriptions; `prefix`: before its name."""
    write_catalogue(store, shards=3)
    for shard in range(trained):
        with artifact.draft(store, layout.trained_shard_path("main", shard), Kind.TRAINED_SHARD, {}, {}) as draft:
            draft.add_bytes(f"{layout.MODEL_PREFIX}config.json", json.dumps({"shard": shard}).encode())
            draft.commit({"rougeL": 0.1 * shard})
    row = exports.Description(uid="u1", title="title", description="text", published=True, model_digest="0" * 64)
    held_back = replace(row, uid="u2", flags=("short",), published=False)
    formula = replace(row, uid="u3", description='=1+1, "quoted"')
    with artifact.draft(store, layout.export_path("main"), Kind.EXPORT, {}, {}) as draft:
        for name, data in exports.files([row, held_back, formula], 0).items():
            draft.add_bytes(name, data)
        draft.commit({"products": 3, "model": f"{prefix}{layout.trained_shard_name(writer)}"})
    with artifact.draft(store, layout.report_path("main"), Kind.REPORT, {}, {}) as draft:
        for name in (layout.REPORT_PAGE, layout.REPORT_PDF):
            draft.add_bytes(name, b"report")
        draft.commit({})


@pytest.mark.parametrize(("trained", "writer"), [(3, 2), (3, 0), (1, 0)])
def test_the_model_is_the_one_that_wrote_the_descriptions(
    store: Store, tmp_path: Path, trained: int, writer: int
) -> None:
    write_run(store, trained, writer)
    figures = results.collect(store, "main", tmp_path)
    assert figures["model"] == {"shard": writer, "rougeL": 0.1 * writer}
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == {"shard": writer}
    assert set(results.EXPECTED) <= {path.name for path in tmp_path.iterdir()}
    published = b'uid,title,description\r\nu1,title,text\r\nu3,title,"\'=1+1, ""quoted"""\r\n'
    assert (tmp_path / results.PUBLISHED).read_bytes() == published


def test_the_model_of_shards_that_were_trained_at_once_is_their_merged_one_with_the_scores_of_its_evaluation(
    store: Store, tmp_path: Path
) -> None:
    runs.freeze(store, "main", {"shards_at_once": 2})
    write_run(store, trained=3, writer=2, prefix="merged/")
    with artifact.draft(store, layout.merged_model_path("main", 2), Kind.MERGED_MODEL, {}, {}) as draft:
        draft.add_bytes(f"{layout.MODEL_PREFIX}config.json", b'{"merged": 2}')
        draft.add_bytes(layout.MOMENTUM_FILE, b"momentum")
        merged = draft.commit({"merged_shards": 1})
    figures = results.collect(store, "main", tmp_path)
    assert figures["model"] == {"shard": 2, "merged_shards": 1}
    with artifact.draft(
        store, layout.evaluation_path("main", "shard-00002"), Kind.EVALUATION, {}, {"model": merged.digest}
    ) as draft:
        draft.commit({"loss": 0.5, "rougeL": 0.25})
    figures = results.collect(store, "main", tmp_path)
    assert figures["model"] == {"shard": 2, "merged_shards": 1, "held_out_loss": 0.5, "held_out_rougeL": 0.25}
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"config.json"}


def test_results_whose_model_was_removed_are_not_ready(store: Store, tmp_path: Path) -> None:
    write_run(store, trained=1, writer=2)
    with pytest.raises(NotReadyError, match="skuscribe train --run main --index 2"):
        results.collect(store, "main", tmp_path)


def test_a_disk_that_fills_while_results_are_copied_is_not_ready_and_named(store: Store, tmp_path: Path) -> None:
    write_run(store, trained=1, writer=0)
    (tmp_path / f".{results.LINES}.new").symlink_to("/dev/full")
    with pytest.raises(NotReadyError, match=f"no space left on the disk of --out {tmp_path}"):
        results.collect(store, "main", tmp_path)


def test_a_disk_that_fills_while_the_model_is_copied_is_not_ready_and_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(store, trained=1, writer=0)

    def full(source: Path, _target: Path) -> None:
        with source.open("rb") as file, Path("/dev/full").open("wb") as device:
            shutil.copyfileobj(file, device)

    monkeypatch.setattr(shutil, "copyfile", full)  # no real disk is full
    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(NotReadyError, match=f"no space left on the disk of --out {tmp_path}"):
        results.collect(store, "main", tmp_path)


def test_a_folder_that_cannot_be_written_any_more_is_a_wrong_setting(store: Store, tmp_path: Path) -> None:
    write_run(store, trained=1, writer=0)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigurationError, match=f"--out {tmp_path / 'out'}: expected a folder that can be written"):
        results.collect(store, "main", tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ([("failed", False, "too long"), ("held back", False, None), ("published", True, None)], "published"),
        ([("failed", False, "too long"), ("held back", False, None)], "held back"),
        ([("failed", False, "too long")], ""),
    ],
)
def test_the_title_of_the_next_command_is_one_whose_text_is_published_if_there_is_one(
    tmp_path: Path, rows: list[tuple[str, bool, str | None]], title: str
) -> None:
    lines = [json.dumps({"title": name, "published": published, "error": error}) for name, published, error in rows]
    (tmp_path / results.LINES).write_text("\n".join(lines) + "\n")
    assert results.example_title(tmp_path) == title


def test_the_next_commands_quote_the_title_and_leave_out_an_empty_one(tmp_path: Path) -> None:
    assert """--query '10" Pan, $5'""" in summary.next_commands("out", tmp_path, '10" Pan, $5')
    assert "--query" not in summary.next_commands("out", tmp_path, "")
