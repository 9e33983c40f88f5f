"""How a process ends: signal handlers, exit codes, and the pod's termination message.

The handlers are installed before torch is imported, because PID 1 ignores a signal that has no handler. By default SIGTERM
and SIGINT raise `Interrupted` in the main thread. Code that must finish something first (a training step, a part of a
batch) runs inside `deferred()` and checks `stop.requested` where it can stop.
"""

import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from jobs.process import commands, log
from jobs.process.errors import Interrupted, JobError
from jobs.process.folders import DISK_FULL

TERMINATION_LOG = Path(os.environ.get("SKUSCRIBE_TERMINATION_LOG", "/dev/termination-log"))
SLEEP_CHECK_SECONDS = 0.1
OUTPUT_CLOSED = 128 + signal.SIGPIPE  # as a shell reports a program that SIGPIPE has ended
MAX_TERMINATION_BYTES = 4096
"""Of a longer message, Kubernetes keeps the last bytes, which do not say what is wrong."""


@dataclass
class Stop:
    """Whether a signal has asked this process to end (`signalled`), or `error` has; `requested` in both cases."""

    requested: bool = False
    signalled: bool = False
    deferred: bool = False
    error: JobError | None = None

    def ask(self, error: JobError) -> None:
        """Ask for an end with this error, from any thread."""
        self.error = error
        self.requested = True

    def check(self) -> None:
        """Raise `Interrupted` if a signal has arrived, or the error with which an end was asked for."""
        if self.error is not None:
            raise self.error
        if self.requested:
            raise Interrupted("interrupted by a signal: run the same command again to resume")


_stop = Stop()


def install_handlers() -> None:
    """Make SIGTERM and SIGINT end the process with exit code 143, at once or at the next safe point."""
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGINT, _on_signal)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    repeated = _stop.signalled
    _stop.requested = _stop.signalled = True
    if repeated or not _stop.deferred:
        raise Interrupted(f"interrupted by {signal.Signals(number).name}: run the same command again to resume")


@contextmanager
def deferred() -> Iterator[Stop]:
    """Let the block choose when to stop: it calls `stop.check()` at its safe points. A second signal stops it at once."""
    outer, _stop.deferred = _stop.deferred, True
    try:
        yield _stop
    finally:
        _stop.deferred = outer
    if not outer:
        _stop.check()


def sleep(seconds: float) -> None:
    """Sleep, but no longer than until a signal or an error asks for an end, also within `deferred()`. Errors: `Interrupted`."""
    deadline = time.monotonic() + seconds
    _stop.check()
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, SLEEP_CHECK_SECONDS))
        _stop.check()


def run_to_exit_code(work: Callable[[], None]) -> int:
    """Run a job and return its exit code, after writing the reason of a failure to the log and the termination message."""
    install_handlers()
    try:
        work()
        _flush_stdout()
    except (Exception, Interrupted) as error:
        code = _exit_code_of(interruption(error) or error)
        _discard_unwritable_output()
        return code
    return 0


def _flush_stdout() -> None:
    print(end="", flush=True)  # unlike sys.stdout.flush(), without an error if the process has no stdout


def _discard_unwritable_output() -> None:
    """Redirect stdout to /dev/null if it cannot be written to: Python would end with 120 instead of the exit code of the job."""
    try:
        _flush_stdout()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _stdout_is_closed_by_its_reader() -> bool:
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)  # POLLERR and POLLHUP are always reported
    except (AttributeError, OSError):  # there is no stdout, or it is no file
        return False
    return bool(poll.poll(0))


def interruption(error: BaseException) -> Interrupted | None:
    """Return the `Interrupted` in the chain of `error`: clean-up after a signal may fail, and the signal is the cause."""
    while not isinstance(error, Interrupted):
        if error.__context__ is None:
            return None
        error = error.__context__
    return error


def _is_out_of_gpu_memory(error: BaseException) -> bool:
    """Return whether torch raised its own error of this kind, by name: this module does not import torch. For cuBLAS it has none."""
    is_of_torch = any((kind.__module__, kind.__name__) == ("torch", "OutOfMemoryError") for kind in type(error).__mro__)
    return is_of_torch or (isinstance(error, RuntimeError) and "CUBLAS_STATUS_ALLOC_FAILED" in str(error))


def _exit_code_of(error: Exception | Interrupted) -> int:
    if isinstance(error, JobError | Interrupted):
        return report(str(error), error.exit_code)
    if isinstance(error, BrokenPipeError) and _stdout_is_closed_by_its_reader() and not TERMINATION_LOG.exists():
        return OUTPUT_CLOSED  # by `| head`, which needs no message
    if isinstance(error, MemoryError):
        return report(str(error) or "out of memory: give the job more memory, or make its batches smaller", 137)
    if _is_out_of_gpu_memory(error):
        return report("out of GPU memory: use a GPU with more memory, or make the batches smaller", 137)
    if _disk_is_full(error):
        return report(_full_disk(error), 75)
    traceback.print_exception(error)
    return report(f"unexpected {type(error).__name__}: {error}", 1)


def _disk_is_full(error: Exception) -> bool:
    """Whether the disk is full or a quota used up, as Python or as a library in Rust reports it."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    return any(f"(os error {number})" in str(error) for number in DISK_FULL)


def _full_disk(error: Exception) -> str:
    """Return which disk is full, as far as the error says, and what to do."""
    # Of a copied file, the first name is the source.
    file = getattr(error, "filename2", None) or getattr(error, "filename", None)
    unknown = "a disk that this command writes to, such as that of its output folder or of TMPDIR"
    disk = f"the disk of {file}" if file else unknown
    return (
        f"no space left on {disk}: free some, choose another output folder, or point TMPDIR (now {tempfile.gettempdir()}) at a "
        "larger disk if temporary files fill it"
    )


def report(message: str, exit_code: int) -> int:
    """Write the reason to the log and to the pod's termination message. Returns the exit code."""
    message = commands.in_this_place(message)
    log.error(message, exit_code=exit_code)
    try:
        if TERMINATION_LOG.exists():
            TERMINATION_LOG.write_bytes(_termination_message(message))
    except OSError:
        pass  # the log has the message too
    return exit_code


def _termination_message(message: str) -> bytes:
    """Return a message in UTF-8, truncated to what Kubernetes keeps. Lone surrogates, as in the name of a file, become `?`."""
    kept = message.encode(errors="replace")[:MAX_TERMINATION_BYTES]
    return kept.decode(errors="ignore").encode()  # without the part of a character at the end
