"""A relay to the API server on this machine, with a kubeconfig, whose connections a test can cut."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from . import kube


class Relay:
    """A TCP relay, up inside the `with` block. `kubeconfig` is KUBECONFIG with the address of the relay."""

    def __init__(self, folder: Path) -> None:
        content = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        cluster = kube.current_cluster(content)
        server = urlsplit(cluster["server"])
        self._target = (server.hostname, server.port or 443)
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._port = self._listen(0)
        cluster["server"] = f"https://127.0.0.1:{self._port}{server.path}"
        cluster.setdefault("tls-server-name", server.hostname)
        self.kubeconfig = kube.write_kubeconfig(content, folder / "relayed.kubeconfig")

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Close every connection and refuse new ones, until `restore`."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes up `accept`
            self._listener.close()
            self._listener = None
        for end in self._sockets:
            _close(end)
        self._sockets.clear()

    def cut_for(self, seconds: float) -> None:
        """Close every connection and refuse new ones for some time."""
        self.cut()
        time.sleep(seconds)
        self.restore()

    def restore(self) -> None:
        """Accept connections again."""
        if self._listener is None:
            self._listen(self._port)

    def _listen(self, port: int) -> int:
        listener = socket.create_server(("127.0.0.1", port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes in one direction until either end is closed."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer may have closed it before
        end.shutdown(socket.SHUT_RDWR)
    end.close()
