"""Steps in processes: side by side where they can be, ended together, and each log line with the name of its step."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.local import processes, services
from jobs.local.serve_settings import Settings as ServeSettings
from jobs.local.server import free_ports
from jobs.local.settings import Settings as LocalSettings
from jobs.prepare.settings import Settings as PrepareSettings
from jobs.process.errors import JobError
from jobs.process.settings import flag, variable
from jobs.steps import Step

HELP = ("--help",)


@pytest.fixture
def serving(tmp_path: Path) -> tuple[Step, dict[str, str]]:
    """A step that does not end by itself, and its environment."""
    postgres_port, s3_port = free_ports(2)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG", "SKUSCRIBE_"))}
    variables |= {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-of-this-test", "PGPASSWORD": "secret-of-this-test",
        "SKUSCRIBE_FOLDER": str(tmp_path / "data"), "SKUSCRIBE_READY_FILE": str(tmp_path / "ready"),
        "SKUSCRIBE_POSTGRES_PORT": str(postgres_port), "SKUSCRIBE_S3_PORT": str(s3_port), "SKUSCRIBE_SAMPLE_ROWS": "0",
    }  # fmt: skip
    assert ServeSettings.model_fields.keys() >= {"folder", "ready_file", "postgres_port", "s3_port", "sample_rows"}
    return Step("services", needs=()), variables


def events(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_a_step_starts_after_those_that_it_needs(at_once: int, capfd: pytest.CaptureFixture[str]) -> None:
    steps = (
        Step("report", ("train", "prepare"), arguments=HELP),
        Step("train", ("prepare",), arguments=HELP),
        Step("prepare", (), arguments=HELP),
    )
    seconds = processes.run(steps, os.environ, at_once)
    assert list(seconds) == ["prepare", "train", "report"]
    assert [event["event"] for event in events(capfd.readouterr().err)] == ["step prepare", "step train", "step report"]


def test_a_step_runs_beside_a_package_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    assert list(processes.run((Step("prepare", (), arguments=HELP),), os.environ, 1)) == ["prepare"]


@pytest.mark.parametrize(
    ("returncode", "exit_code"), [(75, 75), (137, 137), (143, 143), (-signal.SIGKILL, 137), (-signal.SIGTERM, 143)]
)
def test_a_step_that_the_same_command_resumes_says_so(returncode: int, exit_code: int) -> None:
    error = processes.StepFailed("train", returncode)
    assert error.exit_code == exit_code
    assert str(error).endswith("Run the same command again to resume")


@pytest.mark.parametrize("returncode", [1, 2, 65, 78])
def test_a_step_that_would_fail_in_the_same_way_is_not_to_be_run_again(returncode: int) -> None:
    assert "resume" not in str(processes.StepFailed("train", returncode))


def test_a_step_with_a_wrong_setting_names_the_flags_of_the_local_run() -> None:
    message = str(processes.StepFailed("prepare", 78))
    flags = re.findall(r"another (--\w+) \(`make run (\w+)=FOLDER`\) or (--\w+), which keeps both results", message)
    assert flags == [("--out", "OUT", "--name")]
    assert {"out", "name"} <= LocalSettings.model_fields.keys()


def test_a_step_with_bad_input_says_how_the_local_run_takes_the_flags_of_the_step() -> None:
    message = str(processes.StepFailed("prepare", 65))
    assert "A flag that they name belongs to `skuscribe prepare`" in message
    assert f"{variable('title_field')}=name for {flag('title_field')} name" in message
    assert {"title_field"} <= PrepareSettings.model_fields.keys() - LocalSettings.model_fields.keys()


@pytest.mark.slow
def test_the_first_failure_ends_the_other_steps_and_has_its_exit_code(
    serving: tuple[Step, dict[str, str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    step, variables = serving
    fails = Step("prepare", (), arguments=("--store", f"file://{tmp_path}", "--input", "absent.jsonl"))
    never = Step("report", ("prepare",))
    with pytest.raises(JobError, match="step prepare ended with exit code 78") as caught:
        processes.run((step, fails, never), variables, 2)
    assert caught.value.exit_code == 78
    lines = events(capfd.readouterr().err)
    assert next(line["job"] for line in lines if line["level"] == "error") == "prepare"
    assert "step report" not in [line["event"] for line in lines]
    left = [process.pid for process in psutil.Process().children(recursive=True) if "services" in process.cmdline()]
    assert left == []
    assert services.running(tmp_path / "data") == []


@pytest.mark.slow
def test_a_signal_ends_every_step(serving: tuple[Step, dict[str, str]], tmp_path: Path) -> None:
    _, variables = serving
    program = (
        "import os, sys\nfrom jobs.local import processes\nfrom jobs.process import lifecycle\nfrom jobs.steps import Step\n"
        "steps = (Step('services', ()), Step('doctor', (), arguments=('--help',)))\n"
        "sys.exit(lifecycle.run_to_exit_code(lambda: processes.run(steps, os.environ, 2)))\n"
    )
    ready = tmp_path / "ready"
    with subprocess.Popen([sys.executable, "-c", program], env=variables, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ended = threading.Event()

        def interrupt_when_ready() -> None:
            while not ready.exists() and not ended.wait(0.1):
                pass
            process.send_signal(signal.SIGTERM)

        waiting = threading.Thread(target=interrupt_when_ready)
        waiting.start()
        errors = process.stderr.read()
        ended.set()
        waiting.join()
        assert process.wait(60) == 143, errors
    assert not ready.exists()
    assert [line["job"] for line in events(errors) if line["level"] == "error" and "job" in line] == ["services"]
