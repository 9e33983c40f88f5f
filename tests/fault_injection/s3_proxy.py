"""A proxy before S3 that injects faults. A call is an HTTP request."""

import http.client
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fault_injection.faults import Fault, Faults

DELAY_SECONDS = 0.3
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
OWN_HEADERS = {"connection", "transfer-encoding", "content-length", "date", "server"}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def s3_proxy(upstream_port: int, faults: Faults) -> ThreadingHTTPServer:
    """Return a server that forwards to the port of an S3 on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            pass

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = faults.next()
            if fault is Fault.DELAY:
                time.sleep(DELAY_SECONDS)
            elif fault is Fault.RESET_BEFORE:
                return self.reset()
            elif fault is Fault.ERROR:
                return self.answer(503, [("Content-Type", "application/xml")], BUSY, BUSY)
            upstream = http.client.HTTPConnection("127.0.0.1", upstream_port, timeout=60)
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            response = upstream.getresponse()
            data = response.read()
            upstream.close()
            if fault is Fault.RESET_AFTER or (fault is Fault.HALF_ANSWER and not data):
                return self.reset()
            kept = [(name, value) for name, value in response.getheaders() if name.lower() not in OWN_HEADERS]
            length = response.getheader("Content-Length") if self.command == "HEAD" else None
            sent = data[: len(data) // 2] if fault is Fault.HALF_ANSWER else data
            return self.answer(response.status, kept, data, sent, length)

        def answer(
            self, status: int, headers: list[tuple[str, str]], body: bytes, sent: bytes, length: str | None = None
        ) -> None:
            """Send an answer, of whose body only `sent` is sent before the connection is closed."""
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)
            if sent != body:
                self.wfile.flush()
                self.close_connection = True

        def reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.close_connection = True

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.forward)
    return _QuietServer(("127.0.0.1", 0), Handler)


class _QuietServer(ThreadingHTTPServer):
    """A server that does not print the connections that its clients break."""

    daemon_threads = True

    def handle_error(self, *_arguments: Any) -> None:
        pass

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without the orderly shutdown, which would take the place of a reset
