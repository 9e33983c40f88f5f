"""A proxy before Postgres that injects faults. A call is a message that asks for an answer: a query, or the end of a COPY.

It reads the messages of the protocol, version 3: a type, a length and the content. The first message of a client, and the
request for encryption before it, have no type.
"""

import socket
import struct
import threading
import time
from contextlib import suppress

from tests.fault_injection.faults import Fault, Faults

DELAY_SECONDS = 0.3
CALLS = b"QSc"  # simple query, Sync after an extended query, CopyDone
LENGTH = struct.Struct("!i")
ENCRYPTION_REQUESTS = {80877103, 80877104}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
SHUTDOWN = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


class PostgresProxy:
    """Listens on a port of its own and forwards to the port of a Postgres on this machine."""

    def __init__(self, upstream_port: int, faults: Faults) -> None:
        self._upstream_port, self._faults = upstream_port, faults
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def serve_forever(self) -> None:
        """Accept clients until the process ends."""
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError), socket.create_connection(("127.0.0.1", self._upstream_port)) as server:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(client, server, self._faults)
            threading.Thread(target=connection.relay_answers, daemon=True).start()
            with suppress(OSError, EOFError):
                connection.relay_calls()
            server.shutdown(socket.SHUT_RDWR)  # closing it would not end it while the other thread reads from it
        client.close()


class _Connection:
    """A client and its session of the server."""

    def __init__(self, client: socket.socket, server: socket.socket, faults: Faults) -> None:
        self._client, self._server, self._faults = client, server, faults
        self._cut: Fault | None = None

    def relay_calls(self) -> None:
        """Forward the messages of the client, with a fault drawn for each call."""
        while True:
            (length,) = LENGTH.unpack(_exactly(self._client, 4))
            content = _exactly(self._client, length - 4)
            self._server.sendall(LENGTH.pack(length) + content)
            if LENGTH.unpack(content[:4])[0] not in ENCRYPTION_REQUESTS:
                break
        while True:
            kind = _exactly(self._client, 1)
            (length,) = LENGTH.unpack(_exactly(self._client, 4))
            content = _exactly(self._client, length - 4)
            fault = self._faults.next() if kind in CALLS else None
            if fault is Fault.DELAY:
                time.sleep(DELAY_SECONDS)
            elif fault is Fault.RESET_BEFORE:
                self._reset()
                return
            elif fault is Fault.ERROR:
                self._client.sendall(b"E" + LENGTH.pack(len(SHUTDOWN) + 4) + SHUTDOWN)
                return
            elif fault in (Fault.RESET_AFTER, Fault.HALF_ANSWER):
                self._cut = fault
            self._server.sendall(kind + LENGTH.pack(length) + content)

    def relay_answers(self) -> None:
        """Forward what the server sends, until its next bytes are to be lost, or half of them."""
        with suppress(OSError):
            while data := self._server.recv(65536):
                if self._cut is not None:
                    if self._cut is Fault.HALF_ANSWER:
                        self._client.sendall(data[: len(data) // 2])
                    self._reset()
                    return
                self._client.sendall(data)
            self._client.shutdown(socket.SHUT_WR)

    def _reset(self) -> None:
        """Break both connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(min(65536, size - len(data)))
        if not part:
            raise EOFError
        data += part
    return data
