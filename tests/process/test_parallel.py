"""A function mapped by several processes: results in order, errors in the caller, and no process left behind."""

import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
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


def raise_value_error(number: int) -> int:
    raise ValueError(f"{number} is a defect")


def test_an_error_of_a_worker_has_the_traceback_of_the_worker_as_its_cause() -> None:
    with pytest.raises(ValueError, match="1 is a defect") as caught:
        list(ordered(raise_value_error, [1, 2], 2))
    assert "in raise_value_error\n" in str(caught.value.__cause__)
    assert "in raise_value_error\n" in "".join(traceback.format_exception(caught.value))


class LockedError(Exception):
    """An error that cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class CellError(Exception):
    """An error that is pickled, but not unpickled: `__init__` takes other arguments than `args` has."""

    def __init__(self, row: int, column: str) -> None:
        super().__init__(f"row {row}, column {column}")


def raise_locked_error(number: int) -> int:
    raise LockedError(f"row {number}")


def raise_cell_error(number: int) -> int:
    raise CellError(number, "title")


@pytest.mark.parametrize(
    ("function", "message"),
    [(raise_locked_error, r"LockedError: row 1$"), (raise_cell_error, r"CellError: row 1, column title$")],
)
def test_an_error_that_cannot_be_pickled_or_unpickled_is_a_runtime_error_with_its_text(
    function: Callable[[int], int], message: str
) -> None:
    with pytest.raises(RuntimeError, match=message) as caught:
        list(ordered(function, [1, 2], 2))
    assert f"in {function.__name__}\n" in str(caught.value.__cause__)


def make_lock(_item: int) -> threading.Lock:
    return threading.Lock()


def test_a_result_that_cannot_be_pickled_is_an_error() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        list(ordered(make_lock, [1, 2], 2))


def test_a_worker_that_is_killed_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match=r"ended by signal 9 \(Killed\) before it finished.*--processes"):
        list(ordered(kill_this_process, [1, 2], 2))


def kill_this_process(_item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_while_it_sends_a_result_is_not_ready() -> None:
    before = set(psutil.Process().children())
    results = ordered(partial(bytes.ljust, b"x"), [10_000_000] * 3, 2)
    next(results)
    for worker in set(psutil.Process().children()) - before:
        worker.kill()
    with pytest.raises(NotReadyError, match="ended by signal 9"):
        list(results)


def test_a_worker_that_ends_by_itself_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="ended with code 9 before it finished"):
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
