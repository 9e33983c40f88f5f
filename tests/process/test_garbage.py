"""A process searches for garbage rarely, and not at its exit."""

import subprocess
import sys

PROGRAM = """
import atexit, gc
from jobs.process.garbage import THRESHOLD, collect_rarely
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # runs after what is registered later
collect_rarely()
print(gc.isenabled(), gc.get_threshold()[0] == THRESHOLD, gc.get_freeze_count())
"""


def test_garbage_is_searched_for_rarely_and_not_at_the_exit() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True True 0", "True"]
