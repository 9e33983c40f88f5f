"""Credentials for a cluster: those of KUBECONFIG, else the pod's service account, else ~/.kube/config."""

import os
import socket
from pathlib import Path

from jobs.process.errors import ConfigurationError

try:
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
    from kubernetes.config.kube_config import list_kube_config_contexts
except ModuleNotFoundError as error:  # an optional package
    raise ConfigurationError(
        "the Kubernetes client is not installed: run pip install '.[cluster]' in a checkout of skuscribe"
    ) from error

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class AccessDenied(ConfigurationError):
    """A permission or a credential is missing, or the API server does not know it yet."""


def connect() -> tuple[ApiClient, str]:
    """Return a client of the cluster and the namespace of its credentials. Errors: `ConfigurationError` (78)."""
    configuration = Configuration()
    configuration.socket_options = _tcp_options()
    file = os.environ.get("KUBECONFIG") or None
    try:
        if file is None and (SERVICE_ACCOUNT / "token").exists():
            load_incluster_config(client_configuration=configuration)
            namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
        else:
            load_kube_config(config_file=file, client_configuration=configuration)
            namespace = list_kube_config_contexts(config_file=file)[1].get("context", {}).get("namespace") or "default"
    except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"no usable credentials for a cluster: {str(error).rstrip('.')}. Set KUBECONFIG to a kubeconfig file, or run in a pod with a "
            "service account"
        ) from error
    return ApiClient(configuration), namespace


def authorization(api: ApiClient) -> dict[str, str]:
    """Return the headers that authenticate this process. A token that is about to expire is renewed.

    Errors: `AccessDenied` (78).
    """
    try:
        settings = api.configuration.auth_settings()
    except (ConfigException, OSError) as error:
        raise AccessDenied(f"the token of this account can't be read: {error}. Renew the credentials") from error
    return {entry["key"]: entry["value"] for entry in settings.values() if entry["in"] == "header" and entry["value"]}


def _tcp_options() -> list[tuple[int, int, int]]:
    """Return socket options with TCP keepalive, so that a watch fails half a minute after its peer has died."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # not on every platform
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
