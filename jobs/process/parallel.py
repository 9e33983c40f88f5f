"""A function mapped over many items by several processes or threads, with the results in the order of the items.

A worker whose parent ends, even by SIGKILL, reads the end of its pipe and ends too. Workers start from this module and not
from the caller's `__main__`, so that they import only what the function needs.
"""

import multiprocessing
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from jobs.process.errors import NotReadyError

Item = TypeVar("Item")
Result = TypeVar("Result")

_START = "import sys; sys.path.insert(0, sys.argv[1]); from jobs.process.parallel import serve; serve(int(sys.argv[2]))"


THREADS = 8


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return `function(item)` for each item, in order: for a function that mostly waits, such as for an answer of S3."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def ordered(function: Callable[[Item], Result], items: Iterable[Item], processes: int) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order. With one process, or one item, it runs in this process.

    `function` is defined at the top of a module, or a `functools.partial` of such a function. Errors: those of `function`, each with
    the traceback of the worker as its cause, and as a `RuntimeError` if it cannot be pickled or unpickled; `NotReadyError` (75) if a
    signal ends a worker, `RuntimeError` if it ends by itself.
    """
    source = iter(items)
    first = list(islice(source, 2))
    if processes == 1 or len(first) < 2:
        yield from map(function, chain(first, source))
        return
    workers: list[_Worker] = []
    try:
        for _ in range(processes):
            workers.append(_start_worker())
            workers[-1].send(function)
        yield from _round_robin(workers, chain(first, source))
    finally:
        for worker in workers:
            worker.end()


def serve(handle: int) -> None:
    """Run a worker: receive the function, then one item after another, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group: the parent decides
    connection = Connection(handle)
    try:
        function = connection.recv()
        while True:
            connection.send_bytes(_answer(function, connection.recv()))
    except (EOFError, ConnectionError):
        return


def _answer(function: Callable[[Any], Any], item: Any) -> bytes:
    """Return the result of the function, pickled, or the `_Failure` of calling it or of pickling its result."""
    try:
        return pickle.dumps(function(item))
    except Exception as error:
        return pickle.dumps(_failure(error))


class WorkerTraceback(Exception):
    """The traceback of an error in a worker process, as text: it is the cause of the error in this process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True)
class _Failure:
    """An error in a worker: pickled, None if it cannot be, its type and message, and its traceback."""

    pickled: bytes | None
    text: str
    traceback: str

    def error(self) -> Exception:
        """Return the error itself, or a `RuntimeError` with its type and message."""
        if self.pickled is not None:
            with suppress(Exception):  # its `__init__` may take other arguments than those that it was pickled with
                error = pickle.loads(self.pickled)  # noqa: S301 - written by a worker of ours
                if isinstance(error, Exception):
                    return error
        return RuntimeError(self.text)


def _failure(error: Exception) -> _Failure:
    text = "".join(traceback.format_exception_only(error)).strip()
    try:
        pickled = pickle.dumps(error)
    except Exception:
        pickled = None
    return _Failure(pickled, text, "".join(traceback.format_exception(error)).rstrip())


@dataclass(frozen=True)
class _Worker:
    process: "subprocess.Popen[bytes]"
    connection: Connection

    def send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except ConnectionError as error:
            raise self._lost() from error

    def receive(self) -> Any:
        try:
            message = self.connection.recv_bytes()
        except (EOFError, OSError) as error:  # OSError: the message ends early
            raise self._lost() from error
        answer = pickle.loads(message)  # noqa: S301 - written by a worker of ours
        if isinstance(answer, _Failure):
            raise answer.error() from WorkerTraceback(answer.traceback)
        return answer

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def _lost(self) -> Exception:
        code = self.process.wait()
        if code >= 0:
            return RuntimeError(f"a worker process ended with code {code} before it finished: its error is in the log")
        return NotReadyError(
            f"a worker process was ended by signal {-code} ({signal.strsignal(-code)}) before it finished: run again, and if "
            "memory ran out, lower --processes or give the job more memory"
        )


def _start_worker() -> _Worker:
    ours, theirs = multiprocessing.Pipe()
    with theirs:
        handle = theirs.fileno()
        root = str(Path(__file__).resolve().parents[2])
        command = [sys.executable, "-c", _START, root, str(handle)]
        return _Worker(subprocess.Popen(command, pass_fds=[handle], stdin=subprocess.DEVNULL), ours)


def _round_robin(workers: list[_Worker], items: Iterator[Any]) -> Iterator[Any]:
    """Give each worker at most one item at a time: with two, both ends of a pipe could wait for the other to read."""
    sent = received = 0
    for item in items:
        if sent - received == len(workers):
            yield workers[received % len(workers)].receive()
            received += 1
        workers[sent % len(workers)].send(item)
        sent += 1
    while received < sent:
        yield workers[received % len(workers)].receive()
        received += 1
