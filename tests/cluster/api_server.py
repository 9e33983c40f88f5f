"""The API server itself, where it is a process of this machine: killed, and started again as it was."""

import os
import signal
import subprocess
import time
from pathlib import Path

STARTS_IN_SECONDS = 60


def pid_file() -> Path:
    """Where a local cluster keeps its process id: in the folder `run` beside the kubeconfig."""
    return Path(os.environ.get("KUBECONFIG", "")).parent / "run" / "kube-apiserver.pid"


def restart(away_seconds: float) -> None:
    """Kill it, leave it away for a while, and start the same command again."""
    pid = int(pid_file().read_text())
    words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    program = Path(f"/proc/{pid}/exe").resolve()
    os.kill(pid, signal.SIGKILL)
    time.sleep(away_seconds)
    log = pid_file().parents[1] / "log" / "kube-apiserver.log"
    with log.open("ab") as output:
        # A session of its own, for it outlives the test; `words[0]` says which of the program's commands it is.
        process = subprocess.Popen(words, executable=program, stdout=output, stderr=output, start_new_session=True)
    pid_file().write_text(f"{process.pid}\n")
    process.returncode = 0  # it is the cluster's from here on: nothing waits for it
    _wait_until_ready()


def _wait_until_ready() -> None:
    from urllib3.exceptions import HTTPError

    from . import kube

    deadline = time.monotonic() + STARTS_IN_SECONDS
    while time.monotonic() < deadline:
        try:
            kube.core().list_namespace()
            return
        except (HTTPError, OSError):
            time.sleep(0.5)
    raise TimeoutError(f"the API server did not come back within {STARTS_IN_SECONDS} s")
