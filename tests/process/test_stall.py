"""Work without progress is asked to stop, and ended if it does not."""

import subprocess
import sys
import threading

import pytest

from jobs.process.errors import NotReadyError
from jobs.process.lifecycle import Stop
from jobs.process.stall import StallWatch


def wait_for_stop(stop: Stop) -> None:
    """Work that has safe points, but no progress."""
    pause = threading.Event()
    while True:
        stop.check()
        pause.wait(0.001)


def test_work_without_progress_stops_at_its_next_safe_point() -> None:
    stop = Stop()
    with (
        pytest.raises(NotReadyError, match=r"no progress in a test for .* minutes.*at .*threading.py"),
        StallWatch(stop, "a test", 0.05),
    ):
        wait_for_stop(stop)


def test_progress_starts_the_time_again() -> None:
    stop, pause = Stop(), threading.Event()
    with StallWatch(stop, "a test", 0.5) as watch:
        for _ in range(80):
            watch.progress()
            pause.wait(0.01)
    assert not stop.requested


def test_without_a_limit_nothing_is_watched() -> None:
    stop = Stop()
    threads = threading.active_count()
    with StallWatch(stop, "a test", 0):
        assert threading.active_count() == threads


@pytest.mark.slow
def test_work_that_does_not_stop_is_ended_with_75() -> None:
    program = (
        "import threading; from jobs.process import stall; from jobs.process.lifecycle import Stop\n"
        "stall.GRACE_SECONDS = 0.05\n"
        "with stall.StallWatch(Stop(), 'a test', 0.05): threading.Event().wait()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == NotReadyError.exit_code, done.stderr
    assert "no progress in a test" in done.stderr
