"""Administrator's access to the cluster, for what a test needs beyond the few requests of the jobs.

The client's methods also accept the JSON of the API, which their types don't say: hence `Any`.
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from jobs.pipeline.cluster import Json


def _client() -> Any:
    return config.new_client_from_config(config_file=os.environ["KUBECONFIG"])


def core() -> Any:
    """Return the API of namespaces, nodes, pods and service accounts."""
    return client.CoreV1Api(_client())


def batch() -> Any:
    """Return the API of Jobs and CronJobs."""
    return client.BatchV1Api(_client())


def service_account(namespace: str, name: str, rules: list[Json], folder: Path) -> Path:
    """Create a service account with a Role of these rules. Returns its kubeconfig."""
    group = "rbac.authorization.k8s.io"
    rbac: Any = client.RbacAuthorizationV1Api(_client())
    metadata = {"metadata": {"name": name}}
    core().create_namespaced_service_account(namespace, metadata)
    rbac.create_namespaced_role(namespace, {**metadata, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"apiGroup": group, "kind": "Role", "name": name}
    rbac.create_namespaced_role_binding(namespace, {**metadata, "roleRef": role, "subjects": [subject]})
    created = core().create_namespaced_service_account_token(name, namespace, {"spec": {"expirationSeconds": 3600}})
    content = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    content["users"] = [{"name": name, "user": {"token": created.status.token}}]
    current_context(content)["user"] = name
    return write_kubeconfig(content, folder / f"{name}.kubeconfig")


def current_context(kubeconfig: Json) -> Json:
    """Return the current context of a kubeconfig."""
    return _named(kubeconfig["contexts"], kubeconfig["current-context"], "context")


def current_cluster(kubeconfig: Json) -> Json:
    """Return the cluster of the current context of a kubeconfig."""
    return _named(kubeconfig["clusters"], current_context(kubeconfig)["cluster"], "cluster")


def _named(entries: list[Json], name: str, key: str) -> Json:
    """Return the value of the entry with this name: a kubeconfig has lists of {name, KEY}."""
    value: Json = next(entry for entry in entries if entry["name"] == name)[key]
    return value


def write_kubeconfig(content: Json, path: Path) -> Path:
    """Write a kubeconfig that only its owner can read. Returns its path."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content))
    return path


class RequestCounter:
    """Counts the requests of a service account in the API server, with a flow schema that exists inside the `with` block."""

    def __init__(self, namespace: str, account: str) -> None:
        self._name, self._namespace, self._account = f"counts-{namespace}", namespace, account

    def __enter__(self) -> "RequestCounter":
        api: Any = client.FlowcontrolApiserverV1Api(_client())
        self._api = api
        subject = {"kind": "ServiceAccount", "serviceAccount": {"name": self._account, "namespace": self._namespace}}
        resources = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
        urls = {"verbs": ["*"], "nonResourceURLs": ["*"]}
        rule = {"subjects": [subject], "resourceRules": [resources], "nonResourceRules": [urls]}
        spec = {"matchingPrecedence": 100, "priorityLevelConfiguration": {"name": "workload-low"}, "rules": [rule]}
        self._api.create_flow_schema(dict[str, Any](metadata={"name": self._name}, spec=spec))
        return self

    def __exit__(self, *_: object) -> None:
        self._api.delete_flow_schema(self._name)

    def count(self) -> int:
        """Return the number of requests so far."""
        api = _client()
        headers = {entry["key"]: entry["value"] for entry in api.configuration.auth_settings().values()}
        url = api.configuration.host + "/metrics"
        text = api.rest_client.pool_manager.request("GET", url, headers=headers).data.decode()
        pattern = rf'^apiserver_flowcontrol_dispatched_requests_total{{flow_schema="{self._name}".*}} (\d+)'
        return sum(int(float(number)) for number in re.findall(pattern, text, re.MULTILINE))
