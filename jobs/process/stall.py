"""Ends work that makes no progress, such as a step on a GPU whose driver does not answer.

After the time limit the work is asked to stop at its next safe point, where it can still save what it has. If it does not reach
one either, the process ends.
"""

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType

from jobs.process import lifecycle, log
from jobs.process.errors import NotReadyError
from jobs.process.lifecycle import Stop

GRACE_SECONDS = 300.0
"""How long the work may take to reach a safe point once it was asked to stop: enough to save a checkpoint."""


class StallWatch:
    """Watches the work of a `with` block, which calls `progress()` after each step. A limit of 0 seconds is none.

    When there is no progress for `limit_seconds`, `stop` asks for an end with `NotReadyError` (75). After `GRACE_SECONDS`
    more, the process ends with 75 by itself. Time in which the process itself did not run does not count.
    """

    def __init__(self, stop: Stop, work: str, limit_seconds: float) -> None:
        self._stop, self._work, self._limit_seconds = stop, work, limit_seconds
        self._quiet_seconds = 0.0
        self._ended = threading.Event()
        self._worker = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "StallWatch":
        if self._limit_seconds:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def progress(self) -> None:
        """Record that a step is done."""
        self._quiet_seconds = 0.0

    def _watch(self) -> None:
        if not self._wait_for_progress(self._limit_seconds):
            return
        error = NotReadyError(
            f"no progress in {self._work} for {self._limit_seconds / 60:g} minutes, expected a step at least that often "
            f"({_position(self._worker)}): the node or its GPU may be broken, or --stall-minutes is too low"
        )
        log.warning(str(error))
        self._stop.ask(error)
        if self._wait_for_progress(GRACE_SECONDS, until_ended=True):
            os._exit(lifecycle.report(str(error), error.exit_code))

    def _wait_for_progress(self, limit_seconds: float, until_ended: bool = False) -> bool:
        """Wait until there is no progress for this long. Returns False if the block has ended.

        `until_ended`: progress does not count any more, only the end of the block.
        """
        interval = min(limit_seconds / 10, 10.0)
        self._quiet_seconds = quiet_seconds = 0.0
        while not self._ended.is_set():
            started = time.monotonic()
            self._ended.wait(interval)
            waited = min(time.monotonic() - started, 2 * interval)  # more means that this process was stopped
            self._quiet_seconds += waited
            quiet_seconds += waited
            if (quiet_seconds if until_ended else self._quiet_seconds) >= limit_seconds:
                return not self._ended.is_set()
        return False


def _position(thread: int) -> str:
    """Return the file, line and function that a thread executes."""
    frame = sys._current_frames().get(thread)
    last = traceback.extract_stack(frame)[-1] if frame else None
    return f"at {Path(last.filename).name}:{last.lineno}, {last.name}" if last else "its thread has ended"
