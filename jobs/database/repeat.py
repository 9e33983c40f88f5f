"""Units of work that are done again with a new connection when the connection to Postgres is lost.

A unit may have been done when its answer is lost, so it must be right to do it twice.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from jobs.database.address import address
from jobs.database.connection import Connection, exclusive, session
from jobs.database.errors import ConnectionLostError, UnreachableError
from jobs.process import lifecycle, log
from jobs.process.delays import delays
from jobs.process.errors import NotReadyError

Result = TypeVar("Result")

MAX_ATTEMPTS = 15
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.1, 3.0
MAX_AWAY_SECONDS = 30.0
"""A server that could not be reached for this time is given up."""

_reached: set[str] = set()
"""The addresses that this process has connected to. Another one may be wrong, which a person wants to know at once."""


def repeated(work: Callable[[Connection], Result], read_only: bool = False) -> Result:
    """Return what `work` returns, called with a new connection, and again with another one after each lost connection.

    Errors: `NotReadyError` (75) after `MAX_ATTEMPTS` lost connections, if the server is away for `MAX_AWAY_SECONDS`, or at
    once if this process has never reached it; `Interrupted`, also between attempts; those of `session()` and of `work`.
    """
    return _repeated(lambda: session(read_only), work)


def repeated_exclusively(key: str, work: Callable[[Connection], Result]) -> Result:
    """Return what `work` returns, as `repeated()` does. Its connection holds the lock `key`, each time from the beginning."""
    return _repeated(lambda: exclusive(key), work)


def _repeated(
    connect: Callable[[], AbstractContextManager[Connection]], work: Callable[[Connection], Result]
) -> Result:
    away_since: float | None = None
    pauses = delays(FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with connect() as connection:
                _reached.add(address())
                away_since = None
                return work(connection)
        except ConnectionLostError as error:
            away_since = away_since or time.monotonic()
            if attempt == MAX_ATTEMPTS or _is_given_up(error, away_since):
                raise NotReadyError(str(error)) from error  # an outer unit must not repeat it again
            delay = next(pauses)
            log.warning(
                "connection to Postgres lost: trying again",
                attempt=attempt,
                delay_seconds=round(delay, 2),
                reason=str(error),
            )
            lifecycle.sleep(delay)
    raise AssertionError("the last attempt returns or raises an error")


def _is_given_up(error: ConnectionLostError, away_since: float) -> bool:
    if isinstance(error, UnreachableError) and address() not in _reached:
        return True
    return time.monotonic() - away_since >= MAX_AWAY_SECONDS
