"""The same work on many pieces, by several processes, with the results in the order of the pieces.

A process that loses its parent, also to SIGKILL, reads the end of its pipe and ends. It starts from this module alone,
not from the caller's `__main__`, so it holds nothing that its work does not need.
"""

import multiprocessing
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from jobs.process.errors import NotReadyError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_START = "import sys; sys.path.insert(0, sys.argv[1]); from jobs.process.parallel import serve; serve(int(sys.argv[2]))"


def ordered(work: Callable[[Piece], Result], pieces: Iterable[Piece], processes: int) -> Iterator[Result]:
    """`work(piece)` for each piece, in order. With one process, or one piece, it is done right here.

    `work` is a function of a module, or a `functools.partial` of one. Errors: what `work` raises; `NotReadyError` where
    a process is killed.
    """
    source = iter(pieces)
    first = list(islice(source, 2))
    if processes == 1 or len(first) < 2:
        yield from map(work, chain(first, source))
        return
    workers: list[_Worker] = []
    try:
        for _ in range(processes):
            workers.append(_started())
            workers[-1].send(work)
        yield from _dealt(workers, chain(first, source))
    finally:
        for worker in workers:
            worker.end()


def serve(handle: int) -> None:
    """What a worker does: take its work, then piece after piece, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides
    connection = Connection(handle)
    try:
        work = connection.recv()
        while True:
            piece = connection.recv()
            try:
                answer = (True, work(piece))
            except Exception as error:
                answer = (False, error)
            connection.send(answer)
    except (EOFError, ConnectionError):
        return


@dataclass(frozen=True)
class _Worker:
    process: "subprocess.Popen[bytes]"
    connection: Connection

    def send(self, item: Any) -> None:
        try:
            self.connection.send(item)
        except ConnectionError as error:
            raise self._lost() from error

    def receive(self) -> Any:
        try:
            well, result = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise self._lost() from error
        if not well:
            raise result
        return result

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def _lost(self) -> NotReadyError:
        return NotReadyError(
            f"a worker process ended with {self.process.wait()} in the middle of its work: was it out of memory? "
            "Fewer --processes need less"
        )


def _started() -> _Worker:
    ours, theirs = multiprocessing.Pipe()
    with theirs:
        handle = theirs.fileno()
        root = str(Path(__file__).resolve().parents[2])
        command = [sys.executable, "-c", _START, root, str(handle)]
        return _Worker(subprocess.Popen(command, pass_fds=[handle], stdin=subprocess.DEVNULL), ours)


def _dealt(workers: list[_Worker], pieces: Iterator[Any]) -> Iterator[Any]:
    """Each worker has at most one piece at a time: with two, both ends could wait for the other to read."""
    sent = received = 0
    for piece in pieces:
        if sent - received == len(workers):
            yield workers[received % len(workers)].receive()
            received += 1
        workers[sent % len(workers)].send(piece)
        sent += 1
    while received < sent:
        yield workers[received % len(workers)].receive()
        received += 1
