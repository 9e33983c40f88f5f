"""The local run: names, failures that keep their exit code, and signals. All of it at once is in test_readme."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.local import job as local
from jobs.local import results, services
from jobs.local import settings as local_settings
from jobs.process.errors import ConfigurationError, JobError


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for services of their own, stopped in the end."""
    for name in list(os.environ):
        if name.startswith(("SKUSCRIBE_", "AWS_", "PG")):
            monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(prefix="skuscribe-local-") as name:
        yield Path(name)
        services.stop(Path(name))


@pytest.mark.parametrize(("out", "name"), [("out", "out"), ("results/June Run", "june-run"), ("/tmp/A__b.", "a-b")])
def test_the_name_is_that_of_the_output_folder(out: str, name: str) -> None:
    assert local._name_of(Path(out)) == name


def test_a_folder_that_gives_no_name_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="give one with --name"):
        local._name_of(Path("/…"))


def test_a_step_that_fails_ends_the_run_with_its_own_exit_code(
    state: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobError, match="step prepare ended with exit code 78") as caught:
        local.run(local_settings.Settings(input=str(tmp_path / "none.jsonl"), out=tmp_path / "out", state=state))
    assert caught.value.exit_code == 78
    assert "there is no file" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_input_ends_with_65_and_leaves_nothing(state: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.touch()
    with pytest.raises(JobError) as caught:
        local.run(local_settings.Settings(input=str(rows), out=tmp_path / "out", state=state))
    assert caught.value.exit_code == 65


def test_a_signal_ends_the_step_and_the_run_with_143(state: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs", "local", "--state", str(state), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "step prepare" in line:
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        assert process.wait(60) == 143, errors
    assert "the same command goes on" in errors


def test_stopping_says_what_it_stopped(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    local.run(local_settings.Settings(state=state, only_stop=True))
    services.start(state)
    local.run(local_settings.Settings(state=state, only_stop=True))
    assert capsys.readouterr().out.splitlines() == ["no service was running", "stopped postgres and s3"]


def test_cleaning_takes_what_is_ours_and_leaves_what_is_not(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services.start(state)
    out = tmp_path / "out"
    (out / "model").mkdir(parents=True)
    for name in (".artifacts.json", "report.html", "summary.json", "holiday.jpg"):
        (out / name).write_text("{}")
    local.run(local_settings.Settings(out=out, state=state, only_clean=True))
    assert [path.name for path in out.iterdir()] == ["holiday.jpg"]
    assert not state.exists()
    assert "report.html" in capsys.readouterr().out
    local.run(local_settings.Settings(out=out, state=state, only_clean=True))
    assert capsys.readouterr().out == "there was nothing to remove\n"
    state.mkdir()  # for the fixture to look into


def test_a_folder_of_results_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert results.remove(tmp_path) == []
    assert (tmp_path / "model").exists()
