"""The time limits of the attempts to use a service that is not available."""

import pytest

from jobs.pipeline import backoff
from jobs.pipeline.backoff import Backoff
from jobs.process.errors import ConfigurationError, JobError, NotReadyError

OUTAGE, DENIAL = NotReadyError("the server is down"), ConfigurationError("access denied")
LIMIT_SECONDS, DENIAL_LIMIT_SECONDS = 600.0, 10.0


class Clock:
    """A clock that only moves when a wait sleeps, or when a test sets it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(backoff, "time", clock)
    return clock


def seconds_until_raised(waits: Backoff, clock: Clock, error: JobError, limit_seconds: float | None = None) -> float:
    started = clock.seconds
    with pytest.raises(type(error)):
        while True:
            waits.wait(error, limit_seconds)
    return clock.seconds - started


def test_a_denial_after_a_long_outage_is_retried_for_its_own_limit(clock: Clock) -> None:
    waits = Backoff(LIMIT_SECONDS)
    waits.wait(OUTAGE)
    clock.sleep(LIMIT_SECONDS - 1)
    waits.wait(OUTAGE)
    assert DENIAL_LIMIT_SECONDS <= seconds_until_raised(waits, clock, DENIAL, DENIAL_LIMIT_SECONDS) < 20


def test_each_denial_between_outages_is_retried_for_its_own_limit(clock: Clock) -> None:
    waits = Backoff(LIMIT_SECONDS)
    waits.wait(DENIAL, DENIAL_LIMIT_SECONDS)
    clock.sleep(DENIAL_LIMIT_SECONDS)
    waits.wait(OUTAGE)
    waits.wait(DENIAL, DENIAL_LIMIT_SECONDS)


def test_errors_that_alternate_are_raised_after_the_time_limit(clock: Clock) -> None:
    waits = Backoff(LIMIT_SECONDS)
    started = clock.seconds
    with pytest.raises(NotReadyError):
        while True:
            waits.wait(DENIAL, DENIAL_LIMIT_SECONDS)
            waits.wait(OUTAGE)
    assert LIMIT_SECONDS <= clock.seconds - started < LIMIT_SECONDS + 20


def test_an_attempt_that_succeeds_ends_the_time_limit(clock: Clock) -> None:
    waits = Backoff(LIMIT_SECONDS)
    waits.wait(OUTAGE)
    clock.sleep(LIMIT_SECONDS)
    waits.reset()
    waits.wait(OUTAGE)
