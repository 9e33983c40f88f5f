"""A server on loopback that outlives the command which started it: its process, its log, its end."""

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
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Server:
    """A server by its name, in a folder of its own: `NAME.pid`, `NAME.log` and what it keeps."""

    name: str
    folder: Path

    @property
    def log_file(self) -> Path:
        """Where it writes what it says."""
        return self.folder / f"{self.name}.log"

    @property
    def process(self) -> int | None:
        """The id of the process that we started here, unless it ended, or its id went to another one since."""
        try:
            process = int(self._process_file.read_text())
            os.kill(process, 0)
            status = Path(f"/proc/{process}/stat")
            if status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return None
            command = Path(f"/proc/{process}/cmdline")
            if command.exists() and str(self.folder).encode() not in command.read_bytes():
                return None
        except (OSError, ValueError):
            return None
        return process

    def answers(self, port: int) -> bool:
        """Whether it runs, and takes connections on this port of loopback."""
        if self.process is None:
            return False
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=2):
            return True
        return False

    def start(
        self,
        command: Sequence[str],
        ready: Callable[[], bool],
        account: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start it and wait until it is ready. A shell leaves it to init, in a session of its own: Ctrl-C is not for it.

        `command` has to name the folder, by which the process is known again. Errors: `NotReadyError` where it ends, or is
        not ready in time.
        """
        with self.log_file.open("ab") as log_file:
            done = subprocess.run(
                ["sh", "-c", '"$@" >&2 & echo $!', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                start_new_session=True,
                check=True,
                cwd=self.folder,
                **as_account(account, environment),
            )
        self._process_file.write_bytes(done.stdout.strip())
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not ready():
            if self.process is None:
                raise NotReadyError(f"{self.name} ended while it started; its log is {self.log_file}")
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"{self.name} did not answer within {START_TIMEOUT_SECONDS:.0f} s; its log is {self.log_file}"
                )
            time.sleep(0.1)

    def stop(self) -> bool:
        """End it. Returns whether it ran."""
        process = self.process
        if process is None:
            return False
        os.kill(process, signal.SIGINT)  # Postgres' fast shutdown; SeaweedFS ends on it too
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while self.process is not None:
            if time.monotonic() > deadline:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.05)
        self._process_file.unlink(missing_ok=True)
        return True

    @property
    def _process_file(self) -> Path:
        return self.folder / f"{self.name}.pid"


def as_account(account: str | None, environment: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """What makes a child process run as `account`, and know nothing of our environment but what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    identity = {"user": account, "group": account, "extra_groups": []} if account else {}
    return {"env": kept | {"LC_ALL": "C.UTF-8"} | dict(environment), **identity}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that systems hand to outgoing connections, which come and go."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind((HOST, port))
            found.append(port)
        if len(found) == count:
            return found
    raise NotReadyError(
        f"no {count} ports are free on {HOST} between {PORTS.start} and {PORTS.stop}: stop other servers"
    )
