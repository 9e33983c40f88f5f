"""Waits until services accept connections, so that the first step of the demo does not fail before they are up."""

import socket
from collections.abc import Sequence

from jobs.pipeline.backoff import Backoff
from jobs.process import log
from jobs.process.errors import NotReadyError

WAIT_SECONDS = 600.0
CONNECT_SECONDS = 5.0


def wait_for(addresses: Sequence[str]) -> None:
    """Wait until each HOST:PORT accepts connections. Errors: `NotReadyError` (75) after ten minutes."""
    for address in addresses:
        host, _, port = address.rpartition(":")
        backoff = Backoff(WAIT_SECONDS)
        while not _accepts(host, int(port)):
            backoff.wait(
                NotReadyError(
                    f"{address} does not accept connections yet: `kubectl get pods` shows whether the services run"
                )
            )
        backoff.reset()
        log.info("service available", address=address)


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS):
            return True
    except OSError:
        return False
