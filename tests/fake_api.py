"""A Kubernetes API server with scripted answers, for errors that a real one can't be made to return."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the lines of the body. `truncated`: the connection closes before the end of the body."""

    status: int
    lines: Sequence[Any]
    truncated: bool = False


def list_answer(version: str, *items: Any) -> Answer:
    """Return the answer to a list request."""
    return Answer(200, [{"metadata": {"resourceVersion": version}, "items": items}])


def error_answer(status: int, message: str) -> Answer:
    """Return an error in the format of the API."""
    return Answer(status, [{"kind": "Status", "code": status, "message": message}])


def watch_answer(*events: tuple[str, dict[str, Any]], truncated: bool = False) -> Answer:
    """Return the answer to a watch request."""
    return Answer(200, [{"type": kind, "object": item} for kind, item in events], truncated)


class FakeApi:
    """Returns its answers one after another and repeats the last one. `requested` has the paths."""

    def __init__(self, *answers: Answer) -> None:
        self.requested: list[str] = []
        remaining = list(answers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805 - the name that http.server calls; `self` is the API
                self.requested.append(handler.path)
                answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
                handler.send_response(answer.status)
                handler.send_header("Transfer-Encoding", "chunked")
                handler.end_headers()
                for line in answer.lines:
                    text = json.dumps(line).encode() + b"\n"
                    handler.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                handler.wfile.write(b'99\r\n{"type": "ADDED", "obj' if answer.truncated else b"0\r\n\r\n")
                handler.close_connection = answer.truncated

            do_POST = do_GET  # noqa: N815

            def log_message(handler, *_: object) -> None:  # noqa: N805
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> "FakeApi":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig for this server. Returns its path."""
        return write_kubeconfig(self._server, folder)


def write_kubeconfig(server: ThreadingHTTPServer, folder: Path) -> Path:
    """Write a kubeconfig for the namespace `here` of a server on this machine. Returns its path."""
    name = "here"
    content = {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": name}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path
