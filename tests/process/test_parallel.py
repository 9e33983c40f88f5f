"""Work on many pieces: in order, with errors, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from operator import add
from pathlib import Path

import pytest

from jobs.process.errors import InputError, NotReadyError
from jobs.process.parallel import ordered


def refuse(number: int) -> int:
    raise InputError(f"not {number}")


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_the_order_of_the_pieces(processes: int) -> None:
    assert list(ordered(partial(add, 1), range(20), processes)) == list(range(1, 21))


@pytest.mark.parametrize("pieces", [[], [5]])
def test_few_pieces_need_no_process(pieces: list[int]) -> None:
    assert list(ordered(partial(add, 1), pieces, 2)) == [piece + 1 for piece in pieces]


def test_an_error_of_the_work_is_raised_here() -> None:
    with pytest.raises(TypeError):
        list(ordered(partial(add, 1), [1, "a", 3], 2))


def test_a_worker_that_is_killed_is_told_of() -> None:
    with pytest.raises(NotReadyError, match="--processes"):
        list(ordered(os._exit, [9, 9], 2))


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import time; from jobs.process.parallel import ordered; "
        "[print(n, flush=True) or time.sleep(1) for n in ordered(abs, range(100), 2)]"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    parent.stdout.readline()
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert len(children) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while any(_runs(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(process: str) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
