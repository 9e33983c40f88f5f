"""Run steps in processes, each as soon as the steps that it needs are done."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from jobs import steps
from jobs.process import lifecycle, log
from jobs.process.errors import Interrupted, JobError
from jobs.steps import Step

GRACE_SECONDS = 60.0
"""How long an interrupted step may take to save its checkpoint before it is killed."""

POLL_SECONDS = 0.2
READ_SECONDS = 5.0
"""How long the log of an ended step is read. A process that the step has started may keep the pipe open."""

_RESUME = ". Run the same command again to resume"
_REMEDIES = {
    65: ". A flag that they name belongs to `skuscribe {step}`: with `skuscribe local` or `make run`, set its environment variable "
    "instead, such as SKUSCRIBE_TITLE_FIELD=name for --title-field name",
    75: _RESUME,
    78: ". The settings of a step come from `skuscribe local`: instead of another --catalogue, --model, --matcher, --run or --batch, "
    "choose another --out (`make run OUT=FOLDER`) or --name, which keeps both results",
    137: _RESUME,
    143: _RESUME,
}
"""What to do, by the exit code of a step. The last log line of the step names the wrong setting or input."""


@dataclass(frozen=True)
class _Running:
    step: Step
    process: "subprocess.Popen[str]"
    started: float
    log_reader: threading.Thread | None


def run(all_steps: tuple[Step, ...], environment: Mapping[str, str], at_once: int) -> dict[str, float]:
    """Run the steps, at most `at_once` at the same time. Returns the seconds of each.

    The log lines of steps that run at the same time have the name of their step, as `job`. Errors: a `JobError` with the exit code of
    the first step that fails, `Interrupted` after a signal; the other steps have then ended too, after a SIGTERM.
    """
    seconds: dict[str, float] = {}
    waiting, running = list(steps.in_order(all_steps)), list[_Running]()
    with lifecycle.deferred() as stop:
        try:
            while waiting or running:
                for step in [step for step in waiting if seconds.keys() >= set(step.needs)][: at_once - len(running)]:
                    waiting.remove(step)
                    running.append(_start(step, environment, has_terminal=at_once == 1))
                _wait_for_any(running, stop)
                for ended in [one for one in running if one.process.poll() is not None]:
                    running.remove(ended)
                    seconds[ended.step.name] = _seconds_of(ended)
        finally:
            _end(running)
    return seconds


def _start(step: Step, environment: Mapping[str, str], *, has_terminal: bool) -> _Running:
    """Start a step. It writes to our stderr if it `has_terminal`, else its log lines go through this process."""
    log.info(f"step {step.name}")
    # In another session the step does not receive Ctrl-C: it gets one SIGTERM from us instead.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "jobs", step.command, *step.arguments],
        env={**environment, "PYTHONPATH": _python_path(environment)},
        stderr=None if has_terminal else subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )
    reader = None
    if process.stderr is not None:
        reader = threading.Thread(target=_relay, args=(process.stderr, step.name), daemon=True)
        reader.start()
    return _Running(step, process, time.monotonic(), reader)


def _python_path(environment: Mapping[str, str]) -> str:
    """Return the import path of a step, with this package first: the folder in which it runs may have a package `jobs` of its own."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))


def _relay(lines: IO[str], step: str) -> None:
    with lines:
        for line in lines:
            log.relay(line.rstrip("\n"), job=step)  # `step` is the training step


def _end_with_parent() -> None:
    """Let Linux send this child a SIGTERM when its parent ends, so that a SIGKILL of `skuscribe local` ends its steps too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


def _wait_for_any(running: Sequence[_Running], stop: lifecycle.Stop) -> None:
    """Return when a step has ended. Errors: `Interrupted` after a signal."""
    while all(one.process.poll() is None for one in running):
        stop.check()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running[0].process.wait(POLL_SECONDS)


def _seconds_of(ended: _Running) -> float:
    """Return the seconds that a step took. Errors: `StepFailed`."""
    _read_log(ended)
    if ended.process.returncode:
        raise StepFailed(ended.step.name, ended.process.returncode)
    return round(time.monotonic() - ended.started, 1)


def _end(running: Sequence[_Running]) -> None:
    """End the steps that still run: with SIGTERM, after `GRACE_SECONDS` or a second signal with SIGKILL."""
    for one in running:
        one.process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for one in running:
        try:
            one.process.wait(max(0.0, deadline - time.monotonic()))
        except (Interrupted, subprocess.TimeoutExpired):
            one.process.kill()
            one.process.wait()
        _read_log(one)


def _read_log(ended: _Running) -> None:
    if ended.log_reader is not None:
        ended.log_reader.join(READ_SECONDS)


class StepFailed(JobError):
    """A step ended with an exit code other than 0, which becomes ours."""

    def __init__(self, step: str, returncode: int) -> None:
        self.exit_code = returncode if returncode > 0 else 128 - returncode  # type: ignore[misc]  # not the class's
        super().__init__(
            f"step {step} ended with exit code {self.exit_code}: its last log lines say why"
            + _REMEDIES.get(self.exit_code, "").format(step=step)
        )
