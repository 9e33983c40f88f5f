"""An API server that answers as a test says: for the errors that a real one can't be made to give."""

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
    """One answer: its status and its lines. `breaks_off`: the line goes dead before the end of the body."""

    status: int
    lines: Sequence[Any]
    breaks_off: bool = False


def listing(version: str, *items: Any) -> Answer:
    """The answer to a list."""
    return Answer(200, [{"metadata": {"resourceVersion": version}, "items": items}])


def refusal(status: int, message: str) -> Answer:
    """An error, as the API says it."""
    return Answer(status, [{"kind": "Status", "code": status, "message": message}])


def events(*found: tuple[str, dict[str, Any]], breaks_off: bool = False) -> Answer:
    """The answer to a watch."""
    return Answer(200, [{"type": kind, "object": item} for kind, item in found], breaks_off)


class FakeApi:
    """Gives its answers one after another, the last one again and again; `asked` keeps the paths."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[str] = []
        waiting = list(answers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805 - the name that http.server calls; `self` is the API
                self.asked.append(handler.path)
                answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                handler.send_response(answer.status)
                handler.send_header("Transfer-Encoding", "chunked")
                handler.end_headers()
                for line in answer.lines:
                    text = json.dumps(line).encode() + b"\n"
                    handler.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                handler.wfile.write(b'99\r\n{"type": "ADDED", "obj' if answer.breaks_off else b"0\r\n\r\n")
                handler.close_connection = answer.breaks_off

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
        """A kubeconfig of this server."""
        name = "fake"
        content = {
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{self._server.server_address[1]}"}}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "here"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path
