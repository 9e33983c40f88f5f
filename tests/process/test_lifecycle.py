"""How a process ends: the exit code, the termination message, and signals."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from jobs.process import lifecycle
from jobs.process.errors import ConfigurationError, InputError, Interrupted, NotReadyError


@pytest.fixture(autouse=True)
def handlers_of_the_test_run() -> Iterator[None]:
    """Restore the signal handlers, which `run_to_exit_code` replaces."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def termination_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in place of the pod's, which does not exist outside a pod."""
    path = tmp_path / "termination-log"
    monkeypatch.setattr(lifecycle, "TERMINATION_LOG", path)
    return path


def end_with(error: BaseException) -> int:
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
        (torch.OutOfMemoryError("CUDA out of memory"), 137),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), 137),
        (OSError(errno.ENOSPC, "No space left on device"), 75),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 75),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 75),  # as libraries in Rust report it
        (ValueError("a defect"), 1),
    ],
)
def test_each_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert end_with(error) == code


@pytest.mark.parametrize(
    ("error", "disk"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/full/audit.csv"), "the disk of /full/audit.csv:"),
        (OSError(errno.ENOSPC, "No space left on device", "/from", None, "/to"), "the disk of /to:"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "a disk that this command writes to, such as that of its output",
        ),
    ],
)
def test_a_full_disk_is_named_only_if_the_error_names_a_file_on_it(
    error: OSError, disk: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(error) == 75
    assert f"no space left on {disk}" in capsys.readouterr().err


def test_a_finished_job_ends_with_0_and_no_message(termination_log: Path) -> None:
    termination_log.touch()
    assert lifecycle.run_to_exit_code(lambda: None) == 0
    assert termination_log.read_text() == ""


def test_the_reason_of_a_failure_is_the_termination_message(termination_log: Path) -> None:
    termination_log.touch()
    end_with(InputError("row 3 is bad: fix it"))
    assert termination_log.read_text() == "row 3 is bad: fix it"


@pytest.mark.parametrize(("text", "kept"), [("x" * 10_000, "x" * 4096), ("商品" * 2000, "商品" * 682 + "商")])
def test_a_long_termination_message_is_cut_to_what_kubernetes_keeps(
    termination_log: Path, text: str, kept: str
) -> None:
    termination_log.touch()
    end_with(InputError(text))
    assert termination_log.read_text(encoding="utf-8") == kept


def test_a_message_that_utf_8_cannot_encode_keeps_the_exit_code(termination_log: Path) -> None:
    termination_log.touch()
    name = os.fsdecode(b"rows-\xe9.jsonl")
    assert end_with(ConfigurationError(f"there is no file {name}")) == 78
    assert termination_log.read_text() == "there is no file rows-?.jsonl"


def test_no_termination_message_is_written_outside_a_pod(termination_log: Path) -> None:
    end_with(InputError("bad"))
    assert not termination_log.exists()


def test_a_defect_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    end_with(ValueError("a defect"))
    errors = capsys.readouterr().err
    assert "Traceback" in errors
    assert "unexpected ValueError: a defect" in errors


def test_an_error_of_the_clean_up_after_a_signal_is_an_interruption() -> None:
    def work() -> None:
        try:
            raise Interrupted("stopped")
        finally:
            raise BufferError("cannot close exported pointers exist")

    assert lifecycle.run_to_exit_code(work) == 143


def test_a_broken_pipe_of_another_connection_than_stdout_is_a_defect(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_with(BrokenPipeError(errno.EPIPE, "Broken pipe")) == 1
    assert "unexpected BrokenPipeError" in capsys.readouterr().err


def test_a_broken_pipe_in_a_pod_is_a_defect(termination_log: Path) -> None:
    """Nobody reads the output of a pod with `head`: what broke is a connection, and the work is not done."""
    termination_log.touch()
    assert end_with(BrokenPipeError(errno.EPIPE, "Broken pipe")) == 1
    assert "BrokenPipeError" in termination_log.read_text()


def run(body: str) -> tuple[int, list[str], str]:
    """Run `work()`, whose body is given, in a process of its own. Returns exit code, printed lines and log."""
    program = (
        "import os, signal, sys\n"
        "from jobs.process import lifecycle\n"
        "def send(number=signal.SIGTERM):\n"
        "    os.kill(os.getpid(), number)\n"
        "def work():\n" + "".join(f"    {line}\n" for line in body.strip().splitlines()) + "    print('finished')\n"
        "sys.exit(lifecycle.run_to_exit_code(work))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_job_with_143_and_is_named(name: str) -> None:
    code, printed, errors = run(f"send(signal.{name})")
    assert (code, printed) == (143, [])
    assert f"interrupted by {name}: run the same command again to resume" in errors


def test_a_signal_from_another_process_ends_a_waiting_job() -> None:
    program = (
        "import signal, sys\n"
        "from jobs.process import lifecycle\n"
        "def work():\n    print('ready', flush=True); signal.pause(); signal.pause()\n"
        "sys.exit(lifecycle.run_to_exit_code(work))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143


def test_a_signal_passes_through_code_that_catches_every_exception() -> None:
    code, printed, _ = run("""
try:
    send()
except Exception:
    print('caught')
""")
    assert (code, printed) == (143, [])


def test_a_deferred_signal_waits_for_a_safe_point() -> None:
    code, printed, _ = run("""
with lifecycle.deferred() as stop:
    stop.check()
    send()
    print('step finished', stop.requested)
    stop.check()
    print('next step')
""")
    assert (code, printed) == (143, ["step finished True"])


def test_a_deferred_signal_without_a_safe_point_ends_the_job_after_the_block() -> None:
    code, printed, _ = run("""
with lifecycle.deferred():
    send()
    print('block finished')
print('after the block')
""")
    assert (code, printed) == (143, ["block finished"])


def test_a_deferred_block_inside_another_leaves_the_stop_to_the_outer_one() -> None:
    code, printed, _ = run("""
with lifecycle.deferred():
    with lifecycle.deferred():
        send()
    print('inner block finished')
print('after the blocks')
""")
    assert (code, printed) == (143, ["inner block finished"])


def test_a_second_signal_ends_a_deferred_block_at_once() -> None:
    code, printed, _ = run("""
with lifecycle.deferred():
    send()
    print('first signal deferred')
    send()
    print('second signal deferred')
""")
    assert (code, printed) == (143, ["first signal deferred"])


def test_the_first_signal_after_an_error_has_asked_for_an_end_is_deferred() -> None:
    code, printed, _ = run("""
from jobs.process.errors import NotReadyError
with lifecycle.deferred() as stop:
    stop.ask(NotReadyError('no progress'))
    send()
    print('saved')
    stop.check()
""")
    assert (code, printed) == (75, ["saved"])


def test_a_block_that_has_finished_defers_no_signal() -> None:
    code, printed, _ = run("""
with lifecycle.deferred():
    pass
send()
""")
    assert (code, printed) == (143, [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("print('a line', flush=True)", 141),
        ("print('a line')", 141),
        ("print('x' * 1_000_000)", 141),
        ("print('a line'); raise InputError('row 3 is bad')", 65),
        ("os.write(2, b'no line')", 0),
    ],
)
def test_a_job_whose_output_nobody_reads_ends_as_by_sigpipe_unless_it_has_failed(body: str, code: int) -> None:
    """As in `skuscribe artifacts | head`: the reader has closed the pipe. A shell reports 128 + SIGPIPE."""
    program = (
        "import os, sys\n"
        "from jobs.process import lifecycle\n"
        "from jobs.process.errors import InputError\n"
        f"def work():\n    sys.stdin.read(); {body}\n"
        "sys.exit(lifecycle.run_to_exit_code(work))"
    )
    command, variables = [sys.executable, "-c", program], {**os.environ, "PYTHONUNBUFFERED": ""}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.wait(60) == code
        log = process.stderr.read().decode()
    assert "BrokenPipe" not in log
    assert ("row 3 is bad" in log) == (code == 65)


def test_a_job_without_standard_output_ends_with_0() -> None:
    program = (
        "import sys; from jobs.process import lifecycle; sys.exit(lifecycle.run_to_exit_code(lambda: print('a line')))"
    )
    assert subprocess.run(["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program], check=False).returncode == 0
