"""A line to the API server that a test can cut: a relay on this machine, and a kubeconfig that goes through it."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from . import kube


class CutLine:
    """Use as a context manager. `kubeconfig` is that of KUBECONFIG, through the relay."""

    def __init__(self, folder: Path) -> None:
        content = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        cluster = kube.current_cluster(content)
        server = urlsplit(cluster["server"])
        self._target = (server.hostname, server.port or 443)
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._port = self._listen(0)
        cluster["server"] = f"https://127.0.0.1:{self._port}{server.path}"
        cluster.setdefault("tls-server-name", server.hostname)
        self.kubeconfig = kube.write_kubeconfig(content, folder / "relayed.kubeconfig")

    def __enter__(self) -> "CutLine":
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def stay_up(self, seconds: float) -> None:
        """Let everything through for a while."""
        if self._listener is None:
            self._listen(self._port)
        time.sleep(seconds)

    def cut(self, seconds: float | None) -> None:
        """Break every connection, and refuse new ones for a while; None: until `stay_up`."""
        self._hang_up()
        if seconds is not None:
            time.sleep(seconds)
            self._listen(self._port)

    def _listen(self, port: int) -> int:
        listener = socket.create_server(("127.0.0.1", port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return int(listener.getsockname()[1])

    def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes up `accept`
            self._listener.close()
            self._listener = None
        for end in self._open:
            _close(end)
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until either end is closed."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side may have been first
        end.shutdown(socket.SHUT_RDWR)
    end.close()
