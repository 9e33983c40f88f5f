"""Transactions that need a lock which conflicts with every reader, such as those that replace or drop a product table."""

import time
from collections.abc import Callable
from typing import TypeVar

from psycopg import errors

from jobs.database.connection import Connection
from jobs.process import lifecycle, log

Result = TypeVar("Result")

LOCK_TIMEOUT = "3s"
MAX_PAUSE_SECONDS = 30


def in_short_attempts(connection: Connection, work: Callable[[], Result], max_seconds: float) -> Result:
    """Return what `work` returns, called in a transaction, and again after a pause while a query holds a lock that it needs.

    An attempt gives up its wait for a lock after `LOCK_TIMEOUT`, so that new readers do not queue behind it. Errors: after
    `max_seconds` that of the lock, which a session translates to `NotReadyError` (75); those of `work`.
    """
    deadline = time.monotonic() + max_seconds
    attempt = 0
    while True:
        attempt += 1
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                return work()
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            pause = min(2 * attempt, MAX_PAUSE_SECONDS)
            if time.monotonic() + pause > deadline:
                raise
            log.warning("a long query holds what is to be replaced or deleted", attempt=attempt, retry_in_seconds=pause)
            lifecycle.sleep(pause)
