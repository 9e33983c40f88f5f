"""A stand-in for the Hugging Face hub on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextmanager
def hub_server(folder: Path, answer: tuple[int, bytes] | None = None) -> Iterator[str]:
    """Serve the model `acme/tiny` from a folder, and yield the address. Any other model is answered with 401, as the hub does.

    `answer`: the status and the body that every request gets instead.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder, answer))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    commit = "a" * 40

    def __init__(self, folder: Path, answer: tuple[int, bytes] | None, *arguments: Any) -> None:
        self.folder, self.answer = folder, answer
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        if self.answer is not None:
            status, body = self.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)
            return
        if self.path.startswith("/api/models/acme/tiny/tree/"):
            listed = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": "0"}
                for path in self.folder.iterdir()
            ]
            body = json.dumps(listed).encode()
        elif self.path.startswith("/api/models/acme/tiny"):
            files = [{"rfilename": path.name} for path in sorted(self.folder.iterdir())]
            body = json.dumps({"id": "acme/tiny", "sha": self.commit, "siblings": files}).encode()
        elif self.path.startswith("/acme/tiny/resolve/"):
            body = (self.folder / self.path.rsplit("/", 1)[1]).read_bytes()
        else:
            self.send_response(401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", '"' + str(hash(body)) + '"')
        self.send_header("X-Repo-Commit", self.commit)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
