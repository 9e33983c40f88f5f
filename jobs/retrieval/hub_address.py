"""The address of the Hugging Face hub. Needs no client of the hub, whose import fails if the address is wrong."""

import os
from urllib.parse import urlsplit

from jobs.process.errors import ConfigurationError
from jobs.process.secrets import without_secrets


def check_endpoint() -> None:
    """Raise `ConfigurationError` (78) if HF_ENDPOINT is set and is not the address of a server."""
    endpoint = os.environ.get("HF_ENDPOINT")
    if not endpoint:
        return
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port
        valid = False
    if not valid:
        raise ConfigurationError(
            f"HF_ENDPOINT is {without_secrets(endpoint)!r}, expected the address of a hub: https://HOST or https://HOST:PORT"
        )
