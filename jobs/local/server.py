"""A server on loopback that outlives the command that started it: its process, its log, its shutdown."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jobs.process.errors import NotReadyError

HOST = "127.0.0.1"
PORTS = range(15_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, which could take one of ours while its server is stopped."""

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 20.0
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Server:
    """A server with a name and a folder, which holds `NAME.pid`, `NAME.log` and the server's data."""

    name: str
    folder: Path

    @property
    def log_file(self) -> Path:
        """The file that receives the server's output."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The id of the server's process, or None if it ended or its id belongs to another process now."""
        try:
            pid = int(self._pid_file.read_text())
            os.kill(pid, 0)
            status = Path(f"/proc/{pid}/stat")
            if status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return None
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and str(self.folder).encode() not in command.read_bytes():
                return None
        except (OSError, ValueError):
            return None
        return pid

    def answers(self, port: int) -> bool:
        """Whether the server runs and accepts connections on this port of loopback."""
        if self.pid is None:
            return False
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=2):
            return True
        return False

    def start(
        self,
        command: Sequence[str],
        ready: Callable[[], bool],
        popen_arguments: Mapping[str, Any] = _NOTHING,
        environment: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Start the server and wait until it is ready.

        `command` must contain the folder, by which the process is recognised later. Errors: `NotReadyError` (75) if the
        server ends or is not ready in time.
        """
        with self.log_file.open("ab") as log_file:
            started = subprocess.run(
                ["sh", "-c", '"$@" >&2 & echo $!', "sh", *command],  # the shell ends and leaves the server to init
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                start_new_session=True,  # Ctrl-C does not reach it
                check=True,
                cwd=self.folder,
                env=minimal_environment() | dict(environment),
                **popen_arguments,
            )
        self._pid_file.write_bytes(started.stdout.strip())
        self.wait(ready)

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until a server that was started is ready. Errors: `NotReadyError` (75) if it ends or is not ready in time."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not ready():
            if self.pid is None:
                raise NotReadyError(f"{self.name} ended while it started: {self.log_file} says why")
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"{self.name} did not answer within {START_TIMEOUT_SECONDS:.0f} s: {self.log_file} may say why"
                )
            time.sleep(0.1)

    def stop(self) -> bool:
        """Stop the server. Returns whether it was running."""
        pid = self.pid
        if pid is None:
            return False
        os.kill(pid, signal.SIGINT)  # Postgres shuts down fast; SeaweedFS ends
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while self.pid is not None:
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self._pid_file.unlink(missing_ok=True)
        return True

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"


def minimal_environment() -> dict[str, str]:
    """Return the environment of a server: PATH, HOME and TMPDIR, and no credentials or settings of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8"}


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that are free now. Errors: `NotReadyError` (75) if there are too few."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind((HOST, port))
            found.append(port)
        if len(found) == count:
            return found
    raise NotReadyError(
        f"fewer than {count} ports are free on {HOST} between {PORTS.start} and {PORTS.stop}: stop other servers"
    )
