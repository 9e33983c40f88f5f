"""The local run: names, failures that keep their exit code, signals, stop and clean. test_readme runs it as a whole."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.local import job, results, services
from jobs.local.settings import Settings
from jobs.process import folders
from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from tests.environment import set_only

pytestmark = pytest.mark.slow


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the services of one test, which are stopped at its end."""
    set_only(monkeypatch, {})
    with tempfile.TemporaryDirectory(prefix="skuscribe-local-") as name:
        yield Path(name)
        services.stop(Path(name))


@pytest.mark.parametrize(("out", "name"), [("out", "out"), ("results/June Run", "june-run"), ("/tmp/A__b.", "a-b")])
def test_the_name_of_a_run_is_made_from_the_output_folder(out: str, name: str) -> None:
    assert job.name_from(Path(out)) == name


def test_an_output_folder_without_letters_and_digits_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give one with --name"):
        job.run(Settings(out=Path("/…"), state=tmp_path / "state"))
    assert not (tmp_path / "state").exists()


def test_a_batch_size_of_the_user_replaces_that_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    assert job.defaults(Settings())["BATCH_ROWS"] == "16"
    monkeypatch.setenv("SKUSCRIBE_TARGET_TOKENS_PER_BATCH", "512")
    assert "BATCH_ROWS" not in job.defaults(Settings())


@pytest.mark.parametrize(("value", "used"), [("7", "7"), ("", job.SAMPLE_DEFAULTS["EPOCHS"])])
def test_a_variable_of_the_user_replaces_a_default_unless_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, used: str
) -> None:
    monkeypatch.setenv("SKUSCRIBE_EPOCHS", value)
    assert job.step_variables(Settings(), "out", "rows.jsonl", tmp_path)["SKUSCRIBE_EPOCHS"] == used


def test_a_step_that_fails_ends_the_run_with_its_own_exit_code(
    state: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobError, match="step prepare ended with exit code 78") as caught:
        job.run(Settings(input=str(tmp_path / "none.jsonl"), out=tmp_path / "out", state=state))
    assert caught.value.exit_code == 78
    assert "there is no file" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_input_ends_with_65_and_no_results(state: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.touch()
    with pytest.raises(JobError) as caught:
        job.run(Settings(input=str(rows), out=tmp_path / "out", state=state))
    assert caught.value.exit_code == 65
    assert not (tmp_path / "out").exists()


def test_a_signal_ends_the_step_and_the_run_with_143(state: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs", "local", "--state", str(state), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "step prepare" in line:
                break
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        assert process.wait(60) == 143, errors
    assert "run the same command again to resume" in errors


def test_only_stop_lists_what_it_stopped(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job.run(Settings(state=state, only_stop=True))
    services.start(state)
    job.run(Settings(state=state, only_stop=True))
    assert capsys.readouterr().out.splitlines() == [
        f"no service was running in the state folder {state} (--state)",
        "stopped postgres and s3",
    ]


@pytest.mark.parametrize("name", ["out", "state"])
@pytest.mark.parametrize("path", ["file", "file/below", "/proc/x"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_starts(
    tmp_path: Path, name: str, path: str
) -> None:
    (tmp_path / "file").write_text("mine")
    chosen = {"out": tmp_path / "out", "state": tmp_path / "state"} | {name: tmp_path / path}
    with pytest.raises(ConfigurationError, match=f"--{name} {tmp_path / path}: expected a folder that can be written"):
        job.run(Settings.model_validate(chosen))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["out", "state"])
def test_a_folder_on_a_full_disk_is_not_ready_before_anything_starts(tmp_path: Path, name: str) -> None:
    full = tmp_path / name
    full.mkdir()
    (full / folders.PROBE).symlink_to("/dev/full")
    with pytest.raises(NotReadyError, match=f"no space left on the disk of --{name} {full}"):
        job.run(Settings(out=tmp_path / "out", state=tmp_path / "state"))
    assert list(full.iterdir()) == []


def test_only_clean_removes_our_files_and_leaves_others(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services.start(state)
    out = tmp_path / "out"
    (out / "model").mkdir(parents=True)
    for name in (".artifacts.json", "report.html", "summary.json", "holiday.jpg"):
        (out / name).write_text("{}")
    job.run(Settings(out=out, state=state, only_clean=True))
    assert [path.name for path in out.iterdir()] == ["holiday.jpg"]
    assert not state.exists()
    assert "report.html" in capsys.readouterr().out
    job.run(Settings(out=out, state=state, only_clean=True))
    assert capsys.readouterr().out == (
        f"there was nothing to remove in the state folder {state} (--state) and in {out} (--out)\n"
    )
    state.mkdir()  # the fixture removes it


@pytest.mark.parametrize("name", ["descriptions.csv", "report.pdf", "summary.json", "model"])
def test_files_that_are_not_ours_are_refused_before_anything_starts(state: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(ConfigurationError, match=f"already has {name}, which skuscribe did not write"):
        job.run(Settings(out=out, state=state))
    assert (out / name).read_text() == "mine"
    assert list(state.iterdir()) == []


def test_a_base_model_in_a_folder_that_does_not_exist_is_found_before_anything_starts(tmp_path: Path) -> None:
    settings = Settings(source=str(tmp_path / "typo"), out=tmp_path / "out", state=tmp_path / "state")
    with pytest.raises(ConfigurationError, match=r"--source: there is no folder .*typo"):
        job.run(settings)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("name", ["input", "source", "tokenizer"])
@pytest.mark.parametrize("address", ["s3://rows/a.jsonl", "S3://rows/a.jsonl", "s3://me:9/secret-word@rows/a.jsonl"])
def test_an_address_of_another_s3_is_refused_before_anything_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, address: str
) -> None:
    settings = Settings.model_validate({name: address, "out": tmp_path / "out", "state": tmp_path / "state"})
    with pytest.raises(ConfigurationError, match="use an S3 server of their own") as caught:
        job.run(settings)
    message = str(caught.value)
    assert message.startswith(f"--{name} (SKUSCRIBE_{name.upper()}): ")
    assert "Download the files" in message
    assert "skuscribe prepare" in message
    assert "secret-word" not in message + "".join(capfd.readouterr())
    assert list(tmp_path.iterdir()) == []


def test_every_address_of_another_s3_is_named(tmp_path: Path) -> None:
    settings = Settings(input="s3://a/b", source="google/flan-t5-small", tokenizer="s3://a/c", state=tmp_path / "state")
    with pytest.raises(
        ConfigurationError, match=r"^--input \(SKUSCRIBE_INPUT\), --tokenizer \(SKUSCRIBE_TOKENIZER\): "
    ):
        job.run(settings)


@pytest.mark.parametrize("flag", ["only_stop", "only_clean"])
def test_stop_and_clean_need_no_valid_input(tmp_path: Path, flag: str) -> None:
    job.run(
        Settings.model_validate({"input": "s3://a/b", "out": tmp_path / "out", "state": tmp_path / "state", flag: True})
    )


def test_a_folder_without_our_marker_is_not_cleaned(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert results.remove(tmp_path) == []
    assert (tmp_path / "model").exists()
