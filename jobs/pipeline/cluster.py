"""A namespace of a Kubernetes cluster: the one place that talks to its API.

Objects come and go as the JSON that the API speaks. An API server that is away is waited for; then it is
`NotReadyError` (75). A refusal is `ConfigurationError` (78), a missing permission naming the verb that is missing.
Credentials: KUBECONFIG, else the pod's own service account, else ~/.kube/config.
"""

import importlib.util
import json
import os
import random
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jobs.process import log
from jobs.process.errors import ConfigurationError, JobError, NotReadyError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient
    from urllib3 import BaseHTTPResponse

Json = dict[str, Any]

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
SILENCE_SECONDS = 300.0
"""A watch brings a bookmark about once a minute. One that brings nothing for this long is dead, and is taken up again."""

REFUSED_SECONDS = 10.0
"""An API server that has just started refuses what it allows a moment later, and so does a Role that was just made."""


@dataclass(frozen=True)
class Resource:
    """A kind of object: where the API keeps it, and how a Role names it."""

    path: str
    plural: str
    group: str

    @property
    def name(self) -> str:
        """As `kubectl` and a Role say it: `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


CRONJOBS = Resource("/apis/batch/v1", "cronjobs", "batch")
JOBS = Resource("/apis/batch/v1", "jobs", "batch")
PODS = Resource("/api/v1", "pods", "")


@dataclass(frozen=True)
class Listing:
    """What a list call found, and the version of the cluster's state that it saw."""

    items: tuple[Json, ...]
    version: str


class Gone(JobError):
    """The state that a watch wants to go on from is too old: list again."""


class Patience:
    """How long to wait for something that is away: pauses that grow, with some chance in them, up to a limit."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._since: float | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def pause(self, problem: JobError, limit_seconds: float | None = None) -> None:
        """Wait a while, or raise `problem` when it has stood for too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            log.warning(f"waiting: {problem}")
        limit = self._limit_seconds if limit_seconds is None else min(limit_seconds, self._limit_seconds)
        if now - self._since >= limit:
            raise problem
        time.sleep(self._pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - spreads clients out, hides nothing
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    def restore(self) -> None:
        """It is back: the next trouble starts counting anew."""
        if self._since is not None:
            log.info("going on", waited_seconds=round(time.monotonic() - self._since, 1))
        self._since, self._pause_seconds = None, FIRST_PAUSE_SECONDS


class Cluster:
    """A namespace, with the credentials of this process. `calls` counts the requests made so far."""

    def __init__(self, namespace: str = "", patience_seconds: float = 600.0) -> None:
        self._api, own_namespace = _connect()
        self.namespace = namespace or own_namespace
        self.patience_seconds = patience_seconds
        self.calls = 0

    def read(self, kind: Resource, name: str) -> Json | None:
        """One object, or None where there is none."""
        return self._answer("get", kind, name, missing=404)

    def list(self, kind: Resource, labels: str, fields: str = "") -> Listing:
        """All objects with these labels, as they stand now."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        found = self._answer("list", kind, query=query) or {}
        return Listing(tuple(found.get("items") or ()), found["metadata"]["resourceVersion"])

    def create(self, kind: Resource, body: Json) -> Json | None:
        """Make an object; None where one of this name is there already."""
        return self._answer("create", kind, body=body, missing=409)

    def watch(self, kind: Resource, labels: str, version: str, seconds: int) -> Iterator[Json]:
        """What happens to these objects after `version`, as it happens, until `seconds` are over or the line breaks.

        Errors: `Gone`; `NotReadyError` where the API server is away, at once; `ConfigurationError`.
        """
        query = {
            "labelSelector": labels, "resourceVersion": version, "watch": "true",
            "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds),
        }  # fmt: skip
        response = self._send("watch", kind, query=query, answer_seconds=SILENCE_SECONDS)
        return _events(response, f"{kind.name} in namespace {self.namespace}")

    def _answer(
        self,
        verb: str,
        kind: Resource,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        missing: int = 0,
    ) -> Json | None:
        """The answer to a request, made again while the API server is away; None for the status `missing`."""
        patience = Patience(self.patience_seconds)
        while True:
            try:
                response = self._send(verb, kind, name, query, body, missing)
                patience.restore()
                return None if response.status == missing else dict(json.loads(response.data))
            except NotReadyError as problem:
                patience.pause(problem)
            except _Refused as problem:
                patience.pause(problem, REFUSED_SECONDS)

    def _send(
        self,
        verb: str,
        kind: Resource,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        expected: int = 0,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> "BaseHTTPResponse":
        """One request. Errors: `NotReadyError`, `_Refused`, `Gone`, `ConfigurationError`."""
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        url = self._api.configuration.host + self._path(kind, name)
        chosen = {key: value for key, value in (query or {}).items() if value}
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "skuscribe"}
        headers |= _authorisation(self._api)
        self.calls += 1
        try:
            response = self._api.rest_client.pool_manager.request(
                "POST" if verb == "create" else "GET",
                f"{url}?{urlencode(chosen)}" if chosen else url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=Timeout(connect=CONNECT_SECONDS, read=answer_seconds),
                retries=False,
                preload_content=verb != "watch",
            )
        except HTTPError as error:
            raise _unreachable(self._api.configuration.host, error) from error
        if response.status >= 300 and response.status != expected:
            raise self._problem(response.status, response.data, verb, kind, name)
        return response

    def _problem(self, status: int, data: bytes, verb: str, kind: Resource, name: str) -> JobError:
        """What an answer other than success means."""
        message = _message(data)
        where = f"{verb} {kind.name}{f' {name}' if name else ''} in namespace {self.namespace}"
        if status == 410:
            return Gone(message)
        if status == 403 and "exceeded quota" in message:
            return NotReadyError(f"{where}: {message}. Free some of the quota, or raise it")
        if status == 403:
            return _Refused(
                f"the API server forbids to {where}: {message}. The Role of this account needs the verb {verb!r} on "
                f"{kind.name}; `kubectl auth can-i {verb} {kind.name} -n {self.namespace}` shows what it has"
            )
        if status == 401:
            return _Refused(f"the API server does not know this account: {message}. Renew the credentials")
        if status == 429 or status >= 500:
            return NotReadyError(f"the API server answers {status} to {where}: {message}. Try again later")
        return ConfigurationError(f"the API server refuses to {where} ({status}): {message}")

    def _path(self, kind: Resource, name: str) -> str:
        return f"{kind.path}/namespaces/{self.namespace}/{kind.plural}" + (f"/{name}" if name else "")


class _Refused(ConfigurationError):
    """A permission or a credential is missing, or is not known to the API server yet."""


def _connect() -> tuple["ApiClient", str]:
    """A client of the cluster, and the namespace that its credentials name."""
    if importlib.util.find_spec("kubernetes") is None:
        raise ConfigurationError("the Kubernetes client is not installed: pip install 'skuscribe[cluster]'")
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
    from kubernetes.config.kube_config import list_kube_config_contexts

    chosen = Configuration()
    chosen.socket_options = _keep_alive()
    file = os.environ.get("KUBECONFIG") or None
    try:
        if file is None and (ACCOUNT / "token").exists():
            load_incluster_config(client_configuration=chosen)
            namespace = (ACCOUNT / "namespace").read_text().strip()
        else:
            load_kube_config(config_file=file, client_configuration=chosen)
            namespace = list_kube_config_contexts(config_file=file)[1].get("context", {}).get("namespace") or "default"
    except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"no usable credentials for a cluster: {error}. Point KUBECONFIG at a kubeconfig, or run in a pod with a "
            "service account"
        ) from error
    return ApiClient(chosen), namespace


def _keep_alive() -> list[tuple[int, int, int]]:
    """Have the kernel ask after a silent peer, so that a watch notices within half a minute that the other end is dead."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def _authorisation(api: "ApiClient") -> dict[str, str]:
    """The header that says who we are; reading it renews a token that is about to expire."""
    from kubernetes.config import ConfigException

    try:
        settings = api.configuration.auth_settings()
    except (ConfigException, OSError) as error:
        raise _Refused(f"the token of this account can't be read: {error}. Renew the credentials") from error
    return {item["key"]: item["value"] for item in settings.values() if item["in"] == "header" and item["value"]}


def _events(response: "BaseHTTPResponse", what: str) -> Iterator[Json]:
    """The events of a watch: one JSON object a line. A line that breaks off is no event."""
    from urllib3.exceptions import HTTPError

    waiting = b""
    try:
        for chunk in response.stream(None):
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _broken_off(event["object"], what)
                yield event
    except HTTPError as error:
        raise NotReadyError(f"the watch of {what} broke off: {error}") from error
    finally:
        response.close()


def _broken_off(status: Json, what: str) -> JobError:
    message = status.get("message", "no reason given")
    return Gone(message) if status.get("code") == 410 else NotReadyError(f"the watch of {what} broke off: {message}")


def _unreachable(host: str, error: Exception) -> JobError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ConfigurationError(f"{host} shows a certificate that the kubeconfig does not trust: {error}")
    return NotReadyError(f"the Kubernetes API at {host} can't be reached: {error}. Check the address and the network")


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace").strip() or "no reason given"
