"""A function mapped by several processes: results in order, errors in the caller, and no process left behind."""

import os
import select
import signal
import subprocess
import sys
from functools import partial
from operator import add
from pathlib import Path

import psutil
import pytest

from jobs.process.errors import InputError, NotReadyError
from jobs.process.parallel import ordered


def refuse_odd(number: int) -> int:
    if number % 2:
        raise InputError(f"{number} is odd")
    return number


@pytest.mark.parametrize("processes", [1, 3])
def test_results_are_in_the_order_of_the_items(processes: int) -> None:
    assert list(ordered(partial(add, 1), range(20), processes)) == list(range(1, 21))


@pytest.mark.parametrize("items", [[], [5]])
def test_one_item_is_handled_in_this_process(items: list[int]) -> None:
    assert list(ordered(partial(_with_process, os.getpid()), items, 2)) == [(item, True) for item in items]


def test_several_items_are_handled_in_other_processes() -> None:
    assert list(ordered(partial(_with_process, os.getpid()), [5, 6], 2)) == [(5, False), (6, False)]


def _with_process(caller: int, item: int) -> tuple[int, bool]:
    """Return the item, and whether this is the caller's process."""
    return item, os.getpid() == caller


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_function_is_raised_after_the_results_before_it(processes: int) -> None:
    results = ordered(refuse_odd, [0, 2, 3, 4], processes)
    assert [next(results), next(results)] == [0, 2]
    with pytest.raises(InputError, match="3 is odd"):
        next(results)


def test_a_worker_that_ends_early_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match=r"ended with code 9 before it finished.*--processes"):
        list(ordered(os._exit, [9, 9], 2))


def test_workers_end_when_the_caller_stops_reading() -> None:
    before = set(psutil.Process().children())
    results = ordered(partial(add, 1), range(20), 2)
    next(results)
    workers = set(psutil.Process().children()) - before
    assert len(workers) == 2
    results.close()  # type: ignore[attr-defined]
    assert not any(worker.is_running() for worker in workers)


def test_workers_end_when_their_parent_is_killed() -> None:
    program = (
        "import signal; from jobs.process.parallel import ordered\n"
        "for _ in ordered(abs, range(100), 2):\n    print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        workers = [os.pidfd_open(int(child)) for child in children]
        assert len(workers) == 2
        parent.send_signal(signal.SIGKILL)
        for worker in workers:
            ended, _, _ = select.select([worker], [], [], 300)
            os.close(worker)
            assert ended
