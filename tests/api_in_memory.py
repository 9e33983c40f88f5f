"""A Kubernetes API server in memory: it lists, reads, creates, patches and watches the objects of one namespace.

It knows no controllers: a test changes the status of Jobs and pods as a cluster would.
"""

import copy
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fake_api import write_kubeconfig

Object = dict[str, Any]


class ApiInMemory:
    """Objects by type (`jobs`, `cronjobs`, `pods`, `events`) and name. `requests` has (verb, type) of each request.

    `on_create(name)` is called after the API has created a Job.
    """

    on_create: Callable[[str], object]

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self._objects: dict[str, dict[str, Object]] = {}
        self._events: list[tuple[int, str, str, Object]] = []
        self._version = 0
        self._changed = threading.Condition()
        self._closed = False
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # an answer in one packet: the peer would delay its acknowledgement of the first of two

            def do_GET(handler) -> None:  # noqa: N805 - the name that http.server calls; `api` is the API
                url = urlsplit(handler.path)
                kind, _, name = url.path.split("/namespaces/here/")[1].partition("/")
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                api.requests.append(("watch" if "watch" in query else "read" if name else "list", kind))
                if "watch" in query:
                    api._watch(handler, kind, int(query["resourceVersion"]))
                elif name:
                    found = api._objects.get(kind, {}).get(name)
                    api._answer(handler, 200 if found else 404, found or {"message": f"{name} not found"})
                else:
                    api._answer(handler, 200, api._list(kind, query))

            def do_POST(handler) -> None:  # noqa: N805
                kind, body = handler.path.split("/namespaces/here/")[1], api._body(handler)
                api.requests.append(("create", kind))
                name = body["metadata"]["name"]
                if name in api._objects.get(kind, {}):
                    api._answer(handler, 409, {"message": f"{name} already exists"})
                    return
                api._answer(handler, 201, api.add(kind, body))
                api.on_create(name)

            def do_PATCH(handler) -> None:  # noqa: N805
                kind, name = handler.path.split("/namespaces/here/")[1].split("/")
                api.requests.append(("patch", kind))
                body = api._body(handler)
                api._answer(handler, 200, api.update(kind, name, spec=body.get("spec", {})))

            def log_message(handler, *_: object) -> None:  # noqa: N805
                return

        self.on_create = lambda name: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> "ApiInMemory":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def add(self, kind: str, item: Object) -> Object:
        """Add an object. Returns it as stored."""
        stored = copy.deepcopy(item)
        stored["metadata"].setdefault("creationTimestamp", datetime.now(UTC).isoformat())
        return self._store("ADDED", kind, stored)

    def update(self, kind: str, name: str, **parts: Object) -> Object:
        """Merge `status={...}` or `spec={...}` into an object. Returns it as stored."""
        stored = copy.deepcopy(self._objects[kind][name])
        for part, values in parts.items():
            stored[part] = {**stored.get(part, {}), **values}
        return self._store("MODIFIED", kind, stored)

    def remove(self, kind: str, name: str) -> None:
        """Remove an object without an event, as during an outage of a watch."""
        del self._objects[kind][name]

    def complete(self, job: str) -> None:
        """Make a Job complete, with a second between its start and its end."""
        done = self.get("jobs", job)["spec"].get("completions") or 1
        times = {"startTime": "2026-06-01T00:00:00Z", "completionTime": "2026-06-01T00:00:01Z"}
        condition = {"type": "Complete", "status": "True"}
        self.update("jobs", job, status={"succeeded": done, "conditions": [condition], **times})

    def get(self, kind: str, name: str) -> Object:
        """Return an object."""
        return self._objects[kind][name]

    def all(self, kind: str) -> dict[str, Object]:
        """Return the objects of a type by name, in the order of their creation."""
        return dict(self._objects.get(kind, {}))

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig for this server. Returns its path."""
        return write_kubeconfig(self._server, folder)

    def _store(self, event: str, kind: str, item: Object) -> Object:
        with self._changed:
            self._version += 1
            item["metadata"]["resourceVersion"] = str(self._version)
            self._objects.setdefault(kind, {})[item["metadata"]["name"]] = item
            self._events.append((self._version, event, kind, item))
            self._changed.notify_all()
        return item

    def _list(self, kind: str, query: dict[str, str]) -> Object:
        labels = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
        fields = dict(pair.split("=") for pair in query.get("fieldSelector", "").split(",") if pair)
        items = [
            item
            for item in self._objects.get(kind, {}).values()
            if labels.items() <= item["metadata"].get("labels", {}).items()
            and all(_field(item, path) == value for path, value in fields.items())
        ]
        return {"metadata": {"resourceVersion": str(self._version)}, "items": items}

    def _watch(self, handler: BaseHTTPRequestHandler, kind: str, version: int) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        sent = version
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._version > sent, timeout=1.0)  # noqa: B023
                new = [event for event in self._events if event[0] > sent and event[2] == kind]
                sent = self._version
                closed = self._closed
            for _, event, _, item in new:
                text = json.dumps({"type": event, "object": item}).encode() + b"\n"
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            try:
                handler.wfile.flush()
            except OSError:
                return
            if closed:
                return

    def _answer(self, handler: BaseHTTPRequestHandler, status: int, body: Object) -> None:
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _body(self, handler: BaseHTTPRequestHandler) -> Object:
        return dict(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))


def _field(item: Object, path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        value = value.get(name, {})
    return value
