"""The same work on many pieces, by several processes, with the results in the order of the pieces.

A process that loses its parent, also to SIGKILL, reads the end of its pipe and ends.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from jobs.errors import NotReadyError

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def ordered(work: Callable[[Piece], Result], pieces: Iterable[Piece], processes: int) -> Iterator[Result]:
    """`work(piece)` for each piece, in order. With one process, or one piece, it is done right here.

    Errors: what `work` raises; `NotReadyError` where a process is killed.
    """
    source = iter(pieces)
    first = list(islice(source, 2))
    if processes == 1 or len(first) < 2:
        yield from map(work, chain(first, source))
        return
    context = multiprocessing.get_context("spawn")
    workers: list[tuple[Any, Connection]] = []
    try:
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, work), daemon=True)
            process.start()
            theirs.close()
            workers.append((process, ours))
        yield from _dealt(workers, chain(first, source))
    finally:
        for process, connection in workers:
            connection.close()
            process.terminate()
            process.join()


def _dealt(workers: list[tuple[Any, Connection]], pieces: Iterator[Any]) -> Iterator[Any]:
    """Each worker has at most one piece at a time: two would let both ends wait for the other to read."""
    sent = received = 0
    for piece in pieces:
        if sent - received == len(workers):
            yield _received(workers[received % len(workers)])
            received += 1
        workers[sent % len(workers)][1].send(piece)
        sent += 1
    while received < sent:
        yield _received(workers[received % len(workers)])
        received += 1


def _received(worker: tuple[Any, Connection]) -> Any:
    process, connection = worker
    try:
        well, result = connection.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        raise NotReadyError(
            f"a worker process ended with {process.exitcode} in the middle of its work: was it out of memory? "
            "Fewer --processes need less"
        ) from error
    if not well:
        raise result
    return result


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides
    while True:
        try:
            piece = connection.recv()
        except (EOFError, ConnectionError):
            return
        try:
            answer = (True, work(piece))
        except Exception as error:
            answer = (False, error)
        try:
            connection.send(answer)
        except (BrokenPipeError, ConnectionError):
            return
