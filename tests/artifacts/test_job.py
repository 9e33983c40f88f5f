"""`artifacts` lists committed artifacts and downloads one, verified."""

from pathlib import Path

import pytest

from jobs.artifacts import job
from jobs.artifacts.settings import Settings
from jobs.process import folders
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store


def commit(store: Store, path: str) -> Artifact:
    with artifact.draft(store, path, "model", {}, {}) as draft:
        draft.add_bytes("config.json", b"{}")
        draft.add_bytes("model/weights", b"1234")
        return draft.commit({})


def test_only_committed_artifacts_are_listed_sorted_by_path(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("models/b", "models/a", "runs/main/shard-00000"):
        commit(store, path)
    store.write("models/unfinished/attempt-1/config.json", b"{}")
    job.run(Settings(store=store.url))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        store.at("models/a"), store.at("models/b"), store.at("runs/main/shard-00000")
    ]  # fmt: skip
    assert "  model  2 files  0.0 MB  " in lines[0]


def test_a_path_lists_the_artifacts_below_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("models/a", "runs/main/shard-00000"):
        commit(store, path)
    job.run(Settings(store=store.url, path="runs/"))
    assert capsys.readouterr().out.split()[0] == store.at("runs/main/shard-00000")


@pytest.mark.parametrize("with_address", [False, True])
def test_a_download_has_every_file(store: Store, tmp_path: Path, *, with_address: bool) -> None:
    path = f"{commit(store, 'models/a').path}/"
    job.run(Settings(store=store.url, path=store.at(path) if with_address else path, to=tmp_path / "copy"))
    assert (tmp_path / "copy" / "config.json").read_bytes() == b"{}"
    assert (tmp_path / "copy" / "model" / "weights").read_bytes() == b"1234"


def test_a_download_of_a_damaged_file_fails(store: Store, tmp_path: Path) -> None:
    committed = commit(store, "models/a")
    store.write(f"models/a/{committed.manifest.files['config.json'].key}", b"[]")
    with pytest.raises(NotReadyError, match="differs from its manifest"):
        job.run(Settings(store=store.url, path="models/a", to=tmp_path))


def test_a_download_into_a_folder_with_parts_of_an_earlier_one_is_a_wrong_setting(store: Store, tmp_path: Path) -> None:
    def download(*names: str) -> None:
        with artifact.draft(store, f"exports/{len(names)}", "export", {}, {}) as work:
            for name in names:
                work.add_bytes(name, b"uid\r\n")
            work.commit({})
        job.run(Settings(store=store.url, path=f"exports/{len(names)}", to=tmp_path))

    (tmp_path / "notes.csv").write_text("mine")
    download("part-00000.csv", "part-00001.csv", "part-00002.csv")
    with pytest.raises(ConfigurationError, match=r"has 2 files such as part-00001\.csv that .*exports/1 does not have"):
        download("part-00000.csv")
    for name in ("part-00001.csv", "part-00002.csv"):
        (tmp_path / name).unlink()
    download("part-00000.csv")
    assert (tmp_path / "notes.csv").read_text() == "mine"


@pytest.mark.parametrize(("path", "message"), [("", "--to needs --path"), ("models/none", "no artifact at")])
def test_a_download_of_no_artifact_is_a_wrong_setting(store: Store, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        job.run(Settings(store=store.url, path=path, to=tmp_path))


def test_a_path_without_artifacts_is_a_wrong_setting_that_names_similar_ones(store: Store) -> None:
    for path in ("models/a", "models/b", "runs/main/shard-00000", "runs/main/report", "runs/other/report"):
        commit(store, path)
    for settings in ({"path": "runs/man/report"}, {"path": "runs/man/report", "to": Path("none")}):
        with pytest.raises(
            ConfigurationError, match=r"runs/man/report: .* such as runs/main/report, runs/other/report"
        ) as raised:
            job.run(Settings.model_validate({"store": store.url, **settings}))
        assert "models/a" not in str(raised.value)


def test_a_path_in_another_store_is_a_wrong_setting(store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"--path s3://another/runs/main is not in the store .*: set --store"):
        job.run(Settings(store=store.url, path="s3://another/runs/main"))


def test_the_address_of_the_store_lists_all(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    commit(store, "models/a")
    job.run(Settings(store=store.url, path=store.url))
    assert store.at("models/a") in capsys.readouterr().out


def test_an_empty_store_lists_nothing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    job.run(Settings(store=store.url, path="runs/main"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("to", ["file", "file/below", "/proc/x"])
def test_a_download_into_a_folder_that_cannot_be_written_is_a_wrong_setting(
    store: Store, tmp_path: Path, to: str
) -> None:
    commit(store, "models/a")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigurationError, match=f"--to {tmp_path / to}: expected a folder that can be written"):
        job.run(Settings(store=store.url, path="models/a", to=tmp_path / to))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_download_over_a_file_where_it_needs_a_folder_is_a_wrong_setting(store: Store, tmp_path: Path) -> None:
    commit(store, "models/a")
    (tmp_path / "model").write_text("mine")
    with pytest.raises(ConfigurationError, match=f"expected a folder that can be written, found {tmp_path / 'model'} "):
        job.run(Settings(store=store.url, path="models/a", to=tmp_path))


def test_a_download_onto_a_full_disk_is_not_ready_and_names_it(store: Store, tmp_path: Path) -> None:
    commit(store, "models/a")
    (tmp_path / folders.PROBE).symlink_to("/dev/full")
    with pytest.raises(NotReadyError, match=f"no space left on the disk of --to {tmp_path}"):
        job.run(Settings(store=store.url, path="models/a", to=tmp_path))
