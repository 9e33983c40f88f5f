"""Waits for an unavailable service: delays that double, with jitter, up to a time limit."""

import time

from jobs.process import log
from jobs.process.delays import delays
from jobs.process.errors import JobError

FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.2, 5.0


class Backoff:
    """The delays between attempts. The first error starts the time limit, and `reset()` ends it."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._started: float | None = None
        self._kind: type[JobError] | None = None
        self._kind_started = 0.0
        self._delays = delays(FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS)

    def wait(self, error: JobError, limit_seconds: float | None = None) -> None:
        """Sleep before the next attempt, or raise `error` once the time limit has passed.

        `limit_seconds` can only lower the limit, and counts from the first of the latest errors of the same type: a service that
        denies access for a moment after an outage is retried.
        """
        now = time.monotonic()
        if self._started is None:
            self._started = now
        if type(error) is not self._kind:
            self._kind, self._kind_started = type(error), now
            log.warning(f"retrying: {error}")
        started, limit = self._started, self._limit_seconds
        if limit_seconds is not None:
            started, limit = self._kind_started, min(limit_seconds, limit)
        if now - started >= limit:
            raise error
        time.sleep(next(self._delays))

    def reset(self) -> None:
        """Record that an attempt has succeeded: the next error starts with the first delay and the full time limit."""
        if self._started is not None:
            log.info("available again", waited_seconds=round(time.monotonic() - self._started, 1))
        self._started, self._kind, self._delays = None, None, delays(FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS)
