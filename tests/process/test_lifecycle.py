"""How a process ends: the exit code, the last words, and signals."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.process import lifecycle
from jobs.process.errors import ConfigurationError, InputError, Interrupted, NotReadyError


@pytest.fixture(autouse=True)
def untouched_handlers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lifecycle, "_stop", lifecycle.Stop())
    monkeypatch.setattr(lifecycle, "install_handlers", lambda: None)
    monkeypatch.setattr(lifecycle, "TERMINATION_LOG", tmp_path / "termination-log")


def ending_with(error: BaseException) -> int:
    def work() -> None:
        raise error

    return lifecycle.run_to_exit_code(work)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("bad"), 65),
        (NotReadyError("later"), 75),
        (ConfigurationError("wrong"), 78),
        (Interrupted("stopped"), 143),
        (MemoryError(), 137),
        (OSError(errno.ENOSPC, "No space left on device"), 75),
        (ValueError("a defect"), 1),
    ],
)
def test_each_way_to_end_has_its_exit_code(error: BaseException, code: int) -> None:
    assert ending_with(error) == code


def test_the_last_words_reach_the_pods_termination_message() -> None:
    lifecycle.TERMINATION_LOG.touch()
    ending_with(InputError("row 3 is bad: mend it"))
    assert lifecycle.TERMINATION_LOG.read_text() == "row 3 is bad: mend it"


def test_a_deferred_signal_waits_for_a_safe_point() -> None:
    reached = False
    with pytest.raises(Interrupted), lifecycle.deferred() as stop:
        lifecycle._on_signal(signal.SIGTERM, None)
        reached = True
        assert stop.requested
        stop.check()
    assert reached


def test_a_deferred_signal_that_nobody_looked_at_ends_the_block() -> None:
    with pytest.raises(Interrupted), lifecycle.deferred():
        lifecycle._on_signal(signal.SIGTERM, None)


def test_a_second_signal_does_not_wait() -> None:
    with pytest.raises(Interrupted), lifecycle.deferred():
        lifecycle._on_signal(signal.SIGTERM, None)
        lifecycle._on_signal(signal.SIGTERM, None)
        pytest.fail("the second signal did not end the block")


def test_a_real_process_ends_with_143_on_sigterm_and_says_why() -> None:
    code = (
        "import sys, time; from jobs.process import lifecycle\n"
        "def work():\n print('ready', flush=True); time.sleep(30)\n"
        "sys.exit(lifecycle.run_to_exit_code(work))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "SIGTERM" in errors
    assert time.monotonic() - began < 5


def test_a_signal_passes_through_code_that_catches_every_exception() -> None:
    def work() -> None:
        try:
            lifecycle._on_signal(signal.SIGTERM, None)
        except Exception as error:  # as libraries do around a request
            raise InputError("the tokenizer does not load") from error

    assert lifecycle.run_to_exit_code(work) == 143


def test_what_a_signal_cuts_short_may_not_close_well_and_is_an_interruption_all_the_same() -> None:
    def work() -> None:
        try:
            raise Interrupted("stopped")
        finally:
            raise BufferError("cannot close exported pointers exist")

    assert lifecycle.run_to_exit_code(work) == 143


def test_a_full_disk_is_told_by_a_library_in_rust_too() -> None:
    assert ending_with(RuntimeError("I/O error: No space left on device (os error 28)")) == 75


def test_a_log_that_nobody_reads_does_not_end_the_work(tmp_path: Path) -> None:
    program = (
        "import sys, time; from jobs.process import lifecycle, log\n"
        "def work():\n"
        "    for number in range(50): log.info('line', number=number); time.sleep(0.01)\n"
        f"    open({str(tmp_path / 'done')!r}, 'w').close()\n"
        "sys.exit(lifecycle.run_to_exit_code(work))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
        process.wait(60)
    assert (tmp_path / "done").exists()
