"""Waits for locks: who holds the lock that a statement waits for is logged after five seconds, then every minute."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg

from jobs.process import log

CHECK_EVERY_SECONDS, LOG_EVERY_SECONDS = 5.0, 60.0


@contextmanager
def logged(
    pid: int, is_busy: Callable[[], bool], connect: Callable[[], "psycopg.Connection[Any]"], holders: str
) -> Iterator[None]:
    """Log the waits of the server process `pid` during the block.

    `is_busy` returns whether a statement runs; only then are the holders looked for, in a connection of their own that
    `connect` makes, with the query `holders`.
    """
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(ended, pid, is_busy, connect, holders), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(
    ended: threading.Event,
    pid: int,
    is_busy: Callable[[], bool],
    connect: Callable[[], "psycopg.Connection[Any]"],
    holders: str,
) -> None:
    last_logged: float | None = None
    while not ended.wait(CHECK_EVERY_SECONDS):
        found = []
        with suppress(psycopg.Error):  # the wait goes unexplained, and the job does not end for it
            if is_busy():
                with closing(connect()) as connection:
                    found = connection.execute(holders, {"pid": pid}).fetchall()
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
