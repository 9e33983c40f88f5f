"""A namespace of a Kubernetes cluster: the only module that sends requests to its API.

Objects are the JSON of the API. A request is retried while the API server is unavailable, and then fails with
`NotReadyError` (75). A refused request is a `ConfigurationError` (78), which names the verb that a Role may lack.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError

from jobs.pipeline.backoff import Backoff
from jobs.pipeline.credentials import AccessDenied, authorization, connect
from jobs.process.errors import ConfigurationError, JobError, NotReadyError

Json = dict[str, Any]

RETRY_SECONDS = 600.0
"""How long a request is retried while the API server is unavailable: longer than an upgrade of the control plane."""

ACCESS_RETRY_SECONDS = 10.0
"""How long a denied request is retried: an API server that has just started, or a new Role, denies it at first."""

CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS = 5.0, 60.0
WATCH_READ_TIMEOUT_SECONDS = 300.0
"""A watch receives a bookmark about once a minute: one without any data for this long is dead, and is restarted."""


@dataclass(frozen=True)
class Resource:
    """A type of object: its path in the API, and its name in a Role."""

    path: str
    plural: str
    group: str

    @property
    def name(self) -> str:
        """The name that `kubectl` and a Role use: `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


CRONJOBS = Resource("/apis/batch/v1", "cronjobs", "batch")
JOBS = Resource("/apis/batch/v1", "jobs", "batch")
PODS = Resource("/api/v1", "pods", "")
EVENTS = Resource("/api/v1", "events", "")

NAME_LABEL, INSTANCE_LABEL, COMPONENT_LABEL = (
    f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")
)
PIPELINE = "pipeline"
"""The component of a pipeline's own Job."""

METHODS = {"create": "POST", "patch": "PATCH"}


@dataclass(frozen=True)
class Listing:
    """The objects of a list request, and the resource version of the list."""

    items: tuple[Json, ...]
    version: str


class VersionExpired(JobError):
    """The resource version that a watch starts from is too old: the objects must be listed again."""


class Cluster:
    """A namespace, with the credentials of this process."""

    def __init__(self, namespace: str = "", retry_seconds: float = RETRY_SECONDS) -> None:
        self._api, own_namespace = connect()
        self.namespace = namespace or own_namespace
        self.retry_seconds = retry_seconds

    def read(self, resource: Resource, name: str) -> Json | None:
        """Return an object, or None if it does not exist."""
        return self._request("get", resource, name, none_status=404)

    def list(self, resource: Resource, labels: str, fields: str = "") -> Listing:
        """Return all objects that match a label selector and a field selector."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        answer = self._request("list", resource, query=query) or {}
        return Listing(tuple(answer.get("items") or ()), answer["metadata"]["resourceVersion"])

    def create(self, resource: Resource, body: Json) -> Json | None:
        """Create an object and return it, or return None if an object of this name exists."""
        return self._request("create", resource, body=body, none_status=409)

    def patch(self, resource: Resource, name: str, body: Json) -> Json | None:
        """Change fields of an object and return it, or return None if it does not exist."""
        return self._request("patch", resource, name, body=body, none_status=404)

    def watch(self, resource: Resource, labels: str, version: str, seconds: int) -> Iterator[Json]:
        """Return the events after `version` as they happen, until `seconds` have passed or the connection breaks.

        Nothing is retried. Errors: `VersionExpired`, `NotReadyError`, `ConfigurationError`.
        """
        query = {
            "labelSelector": labels, "resourceVersion": version, "watch": "true",
            "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds),
        }  # fmt: skip
        response = self._send("watch", resource, query=query, read_timeout=WATCH_READ_TIMEOUT_SECONDS)
        return _events(response, f"{resource.name} in namespace {self.namespace}")

    def _request(
        self,
        verb: str,
        resource: Resource,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        none_status: int = 0,
    ) -> Json | None:
        """Send a request, with retries. Returns its JSON, or None for the HTTP status `none_status`."""
        backoff = Backoff(self.retry_seconds)
        while True:
            try:
                response = self._send(verb, resource, name, query, body, none_status)
                backoff.reset()
                return None if response.status == none_status else dict(json.loads(response.data))
            except NotReadyError as error:
                backoff.wait(error)
            except AccessDenied as error:
                backoff.wait(error, ACCESS_RETRY_SECONDS)

    def _send(
        self,
        verb: str,
        resource: Resource,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        expected_status: int = 0,
        read_timeout: float = READ_TIMEOUT_SECONDS,
    ) -> BaseHTTPResponse:
        """Send a request once. Errors: `NotReadyError`, `AccessDenied`, `VersionExpired`, `ConfigurationError`."""
        url = f"{self._api.configuration.host}{resource.path}/namespaces/{self.namespace}/{resource.plural}"
        url += f"/{name}" if name else ""
        selected = {key: value for key, value in (query or {}).items() if value}
        content_type = "application/merge-patch+json" if verb == "patch" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "skuscribe"}
        headers |= authorization(self._api)
        try:
            response: BaseHTTPResponse = self._api.rest_client.pool_manager.request(
                METHODS.get(verb, "GET"),
                f"{url}?{urlencode(selected)}" if selected else url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=read_timeout),
                retries=False,
                preload_content=verb != "watch",
            )
        except HTTPError as error:
            raise _connection_error(self._api.configuration.host, error) from error
        if response.status >= 300 and response.status != expected_status:
            raise self._response_error(response.status, response.data, verb, resource, name)
        return response

    def _response_error(self, status: int, data: bytes, verb: str, resource: Resource, name: str) -> JobError:
        """Return the error of a response that is not a success."""
        message = _message(data)
        request = f"{verb} {resource.name}{f' {name}' if name else ''} in namespace {self.namespace}"
        if status == 410:
            return VersionExpired(message)
        if status == 403 and "exceeded quota" in message:
            return NotReadyError(f"a quota does not allow to {request}: {message}. Free some of the quota, or raise it")
        if status == 403:
            return AccessDenied(
                f"access denied to {request}: {message}. Either the Role of this account lacks the verb {verb!r} on "
                f"{resource.name} (check with `kubectl auth can-i {verb} {resource.name} -n {self.namespace}`), or an admission "
                "webhook or policy refuses the request, or the namespace is being deleted"
            )
        if status == 401:
            return AccessDenied(f"the API server rejects the credentials: {message}. Renew them")
        if status == 429 or status >= 500:
            return NotReadyError(f"the API server returns {status} to {request}: {message}. Try again later")
        return ConfigurationError(f"the API server refuses to {request} ({status}): {message}")


def label(item: Json, name: str) -> str | None:
    """Return the value of a label of an object, or None if it does not have it."""
    value: str | None = item["metadata"].get("labels", {}).get(name)
    return value


def true_conditions(item: Json) -> dict[str, Json]:
    """Return the conditions of an object that are true, by their type."""
    conditions = item.get("status", {}).get("conditions", ())
    return {condition["type"]: condition for condition in conditions if condition["status"] == "True"}


def _events(response: BaseHTTPResponse, watched: str) -> Iterator[Json]:
    """Yield the events of a watch: one JSON object per line. An incomplete last line is ignored."""
    incomplete = b""
    try:
        for chunk in response.stream(None):
            *lines, incomplete = (incomplete + chunk).split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _event_error(event["object"], watched)
                yield event
    except HTTPError as error:
        raise NotReadyError(f"the watch of {watched} ended: {error}") from error
    finally:
        response.close()


def _event_error(status: Json, watched: str) -> JobError:
    message = status.get("message", "no reason given")
    return VersionExpired(message) if status.get("code") == 410 else NotReadyError(f"the watch of {watched} ended: {message}")  # fmt: skip


def _connection_error(host: str, error: Exception) -> JobError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ConfigurationError(
            f"the certificate of {host} is not trusted: {error}. Add its authority to the kubeconfig"
        )
    return NotReadyError(f"the Kubernetes API at {host} can't be reached: {error}. Check the address and the network")


def _message(data: bytes) -> str:
    """Return the message of an error response."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace").strip() or "no reason given"
