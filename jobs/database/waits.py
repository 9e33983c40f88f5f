"""Waits for locks: who holds the lock that a statement waits for is logged after five seconds, then every minute.

Each look is a new connection. A statement without a wait is looked at again when its age has doubled, then every minute, so
that a wait which begins late is logged within a minute.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from jobs.process import log

CHECK_EVERY_SECONDS, LOG_EVERY_SECONDS = 5.0, 60.0
END_SECONDS = 2.0
"""How long `Watch.end()` waits for a look, which takes minutes if the server does not answer."""


@dataclass(frozen=True)
class Running:
    """A statement that runs: the process of the server, and when the statement began, in seconds of the monotonic clock."""

    pid: int
    began: float


@dataclass(frozen=True)
class _Look:
    """A look for the holders of the lock that a statement waits for: its time on the monotonic clock, and whether it found any."""

    running: Running
    time: float
    found: bool


class Watch:
    """A thread that logs the waits of one connection until `end()`.

    `running` returns the statement that runs now, or None. Only if it began some seconds ago are the holders looked for, in a
    connection of their own that `connect` makes, with the query `holders`.
    """

    def __init__(
        self, running: Callable[[], Running | None], connect: Callable[[], "psycopg.Connection[Any]"], holders: str
    ) -> None:
        self._running, self._connect, self._holders = running, connect, holders
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End the thread. One whose look does not end within `END_SECONDS` ends after it."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join(END_SECONDS)

    def _watch(self) -> None:
        last: _Look | None = None
        while not self._ended.wait(CHECK_EVERY_SECONDS):
            with suppress(psycopg.Error):  # the wait goes unexplained, and the job does not end for it
                running, now = self._running(), time.monotonic()
                if running is None or not _is_due(running, now, last):
                    continue
                last = _Look(running, now, found=False)  # also if it fails
                with closing(self._connect()) as connection:
                    found = connection.execute(self._holders, {"pid": running.pid}).fetchall()
                last = _Look(running, now, found=bool(found))
                _log(running.pid, found)


def _is_due(running: Running, now: float, last: _Look | None) -> bool:
    """Return whether to look for the holders now. Each look at a wait is logged, so the next one is the next log event."""
    if last is None or last.running != running:
        return now - running.began >= CHECK_EVERY_SECONDS
    age = last.time - running.began
    return now - last.time >= (LOG_EVERY_SECONDS if last.found else min(age, LOG_EVERY_SECONDS))


def _log(pid: int, holders: list[tuple[Any, ...]]) -> None:
    for holder, user, application, client, state, seconds in holders:
        log.warning(
            "waiting for a lock in Postgres",
            waiting_pid=pid,
            holder_pid=holder,
            holder_user=user,
            holder_application=application,
            holder_address=client,
            holder_state=state,
            holder_transaction_seconds=seconds,
        )
