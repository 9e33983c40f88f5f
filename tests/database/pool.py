"""A small connection pool for tests, which behaves as PgBouncer does with its defaults.

It refuses options at the start of a connection and makes up the process id. With `per_transaction`, every transaction goes to
the session of the server that has waited longest, so that two transactions in a row have different sessions.
"""

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from psycopg import pq

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
ACCEPTED = ("user", "database", "client_encoding", "application_name")
PARAMETERS = {"server_version": "18.4", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
SESSIONS = 6


@contextmanager
def pool(per_transaction: bool) -> Iterator[int]:
    """Run a pool in front of the server that the environment names. Yields its port."""
    loop, listener = asyncio.new_event_loop(), socket.create_server(("127.0.0.1", 0))
    sessions = _Sessions(per_transaction, os.environ["PGPORT"])
    server = loop.run_until_complete(asyncio.start_server(sessions.serve, sock=listener))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_end(asyncio.all_tasks(loop)))
        sessions.close()
        loop.run_until_complete(asyncio.sleep(0))  # the transports close in the next turn of the loop
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Session:
    """A session of the server, logged in by libpq."""

    def __init__(self, port: str) -> None:
        self._connection = pq.PGconn.connect(f"client_encoding=UTF8 port={port}".encode())
        assert self._connection.status == pq.ConnStatus.OK, self._connection.error_message
        self._socket = socket.socket(fileno=os.dup(self._connection.socket))
        self._socket.setblocking(False)

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(sock=self._socket)

    def close(self) -> None:
        self.writer.close()
        self._connection.finish()


class _Sessions:
    """All sessions of a pool. `free` is in the order in which they became free."""

    def __init__(self, per_transaction: bool, server_port: str) -> None:
        self._per_transaction, self._server_port = per_transaction, server_port
        self._all: list[_Session] = []
        self._free: asyncio.Queue[_Session] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves."""
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                if await self._greet(reader, writer):
                    await self._forward(reader, writer)
        finally:
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the start of a connection. Returns whether it is accepted."""
        start = await _read_start(reader)
        if start == SSL_REQUEST:
            writer.write(b"N")
            start = await _read_start(reader)
        words = start[8:].rstrip(b"\0").split(b"\0")
        refused = [name.decode() for name in words[::2] if name.decode() not in ACCEPTED]
        if refused:
            text = f"SFATAL\0C08P01\0Munsupported startup parameter: {refused[0]}\0\0"
            writer.write(_message(b"E", text.encode()))
            await writer.drain()
            return False
        writer.write(_message(b"R", struct.pack("!i", 0)))
        for name, value in PARAMETERS.items():
            writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
        writer.write(_message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I"))
        return True

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session: _Session | None = None
        answers: asyncio.Task[None] | None = None
        try:
            while True:
                kind, message = await _read_message(reader)
                if kind == b"X":
                    return
                if answers is not None and answers.done():
                    answers = session = None
                if session is None:
                    session = await self._take()
                session.writer.write(message)
                if answers is None:
                    answers = asyncio.create_task(self._answer(session, writer))
        finally:
            if answers is not None and not answers.done():
                answers.cancel()

    async def _answer(self, session: _Session, writer: asyncio.StreamWriter) -> None:
        """Forward the server's answers; until the end of the transaction, if the pool is per transaction."""
        while True:
            kind, message = await _read_message(session.reader)
            if kind == b"Z" and message.endswith(b"I") and self._per_transaction:
                self._free.put_nowait(session)
                writer.write(message)
                return
            writer.write(message)

    async def _take(self) -> _Session:
        if not self._per_transaction or len(self._all) < SESSIONS:
            session = _Session(self._server_port)
            self._all.append(session)
            await session.open()
            return session
        return await self._free.get()

    def close(self) -> None:
        for session in self._all:
            session.close()


async def _read_start(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!i", length)[0] - 4)


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
