"""Waits for locks: who holds the lock that a statement waits for is logged after five seconds, then every minute."""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from jobs.process import log

CHECK_EVERY_SECONDS, LOG_EVERY_SECONDS = 5.0, 60.0


@dataclass(frozen=True)
class Running:
    """A transaction whose statement runs: the process of the server, and when it began, in seconds of the monotonic clock."""

    pid: int
    began: float


class Watch:
    """A thread that logs the waits of one connection until `end()`.

    `running` returns the transaction whose statement runs now, or None; only if it began some seconds ago are the holders
    looked for, in a connection of their own that `connect` makes, with the query `holders`.
    """

    def __init__(
        self, running: Callable[[], Running | None], connect: Callable[[], "psycopg.Connection[Any]"], holders: str
    ) -> None:
        self._running, self._connect, self._holders = running, connect, holders
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        last_logged: float | None = None
        while not self._ended.wait(CHECK_EVERY_SECONDS):
            pid, found = 0, list[tuple[Any, ...]]()
            with suppress(psycopg.Error):  # the wait goes unexplained, and the job does not end for it
                running = self._running()
                if running is not None and time.monotonic() - running.began >= CHECK_EVERY_SECONDS:
                    pid = running.pid
                    with closing(self._connect()) as connection:
                        found = connection.execute(self._holders, {"pid": pid}).fetchall()
            if not found:
                last_logged = None
            elif last_logged is None or time.monotonic() - last_logged >= LOG_EVERY_SECONDS:
                last_logged = time.monotonic()
                _log(pid, found)


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
