"""How a process ends: signals, exit codes and last words.

Handlers stand before torch is imported, for PID 1 ignores a signal that it has no handler for. By default SIGTERM and
SIGINT raise `Interrupted` where the main thread stands. Code that has something to finish first (a training step, a
part of a batch) runs inside `deferred()` and looks at `stop.requested` where it can stop.
"""

import errno
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from jobs.process import log
from jobs.process.errors import Interrupted, JobError

TERMINATION_LOG = Path(os.environ.get("SKUSCRIBE_TERMINATION_LOG", "/dev/termination-log"))


@dataclass
class Stop:
    """Whether a signal has asked this process to end."""

    requested: bool = False
    deferred: bool = False

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self.requested:
            raise Interrupted("interrupted by a signal; the same command goes on from what is saved")


_stop = Stop()


def install_handlers() -> None:
    """Make SIGTERM and SIGINT end the process with exit code 143, at once or at the next safe point."""
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGINT, _on_signal)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    again = _stop.requested
    _stop.requested = True
    if again or not _stop.deferred:
        raise Interrupted(f"interrupted by {signal.Signals(number).name}; the same command goes on from what is saved")


@contextmanager
def deferred() -> Iterator[Stop]:
    """Let the block choose when to stop: it calls `stop.check()` at its safe points. A second signal stops at once."""
    outer, _stop.deferred = _stop.deferred, True
    try:
        yield _stop
    finally:
        _stop.deferred = outer
    if not outer:
        _stop.check()


def run_to_exit_code(work: Callable[[], None]) -> int:
    """Run a job and turn how it ends into an exit code, a log line and the pod's termination message."""
    install_handlers()
    try:
        work()
    except (Exception, Interrupted) as error:
        return _exit_code_of(_interruption(error) or error)
    return 0


def _interruption(error: BaseException) -> Interrupted | None:
    """The interruption that `error` is, or came in the way of: what a signal cuts short may not close as it should."""
    while not isinstance(error, Interrupted):
        if error.__context__ is None:
            return None
        error = error.__context__
    return error


def _exit_code_of(error: Exception | Interrupted) -> int:
    """The exit code, once the last words are said."""
    if isinstance(error, JobError | Interrupted):
        _last_words(str(error), error.exit_code)
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # the reader of our answer went away, as `| head` does
        sys.stderr.close()
        return 0
    if isinstance(error, MemoryError):
        _last_words(str(error) or "out of memory: give the job more memory, or make its batches smaller", 137)
        return 137
    if _disk_is_full(error):
        where = getattr(error, "filename", None) or tempfile.gettempdir()
        _last_words(f"no space left on the disk of {where}: free some, or point TMPDIR at a larger disk", 75)
        return 75
    return _defect(error)


def _disk_is_full(error: Exception) -> bool:
    """As Python says it, and as libraries in Rust do."""
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or f"(os error {errno.ENOSPC})" in str(error)


def _defect(error: Exception) -> int:
    traceback.print_exception(error)
    _last_words(f"unexpected {type(error).__name__}: {error}", 1)
    return 1


def _last_words(message: str, exit_code: int) -> None:
    log.error(message, exit_code=exit_code)
    try:
        if TERMINATION_LOG.exists():
            TERMINATION_LOG.write_text(message[:4000])
    except OSError:
        return  # last words are a courtesy: the log has them too
