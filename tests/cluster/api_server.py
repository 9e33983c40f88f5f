"""The API server as a process of this machine, which a test kills and starts again."""

import os
import signal
import subprocess
import time
from pathlib import Path

from urllib3.exceptions import HTTPError

from . import kube
from .waiting import wait_until


def pid_file() -> Path:
    """Return the file with the process id: a local cluster keeps it in the folder `run` beside the kubeconfig."""
    return Path(os.environ.get("KUBECONFIG", "")).parent / "run" / "kube-apiserver.pid"


def restart(down_seconds: float) -> None:
    """Kill the API server, wait, start the same command again, and wait until it answers."""
    pid = int(pid_file().read_text())
    command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    program = Path(f"/proc/{pid}/exe").resolve()
    os.kill(pid, signal.SIGKILL)
    time.sleep(down_seconds)
    log = pid_file().parents[1] / "log" / "kube-apiserver.log"
    with log.open("ab") as output:
        # In a new session, because it outlives the test. `command[0]` selects one of the commands of the program.
        process = subprocess.Popen(command, executable=program, stdout=output, stderr=output, start_new_session=True)
    pid_file().write_text(f"{process.pid}\n")
    process.returncode = 0  # the cluster owns the process now: nothing waits for it
    wait_until(_answers, "the API server answers")


def _answers() -> bool:
    try:
        kube.core().list_namespace()
    except (HTTPError, OSError):
        return False
    return True
