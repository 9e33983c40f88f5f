"""The cluster as its administrator has it: what a test needs beyond the few requests of the jobs.

The client's methods take the JSON of the API as well as its own classes, which their types don't say: hence `Any`.
"""

import os
import re
from pathlib import Path
from typing import Any

from jobs.pipeline.cluster import Json


def _client() -> Any:
    from kubernetes import config

    return config.new_client_from_config(config_file=os.environ["KUBECONFIG"])


def core() -> Any:
    """Namespaces, nodes, pods, service accounts."""
    from kubernetes import client

    return client.CoreV1Api(_client())


def batch() -> Any:
    """Jobs and CronJobs."""
    from kubernetes import client

    return client.BatchV1Api(_client())


def service_account(namespace: str, name: str, rules: list[Json], folder: Path) -> Path:
    """Make a service account with a Role of these rules. Returns a kubeconfig of it."""
    import yaml
    from kubernetes import client

    group = "rbac.authorization.k8s.io"
    rbac: Any = client.RbacAuthorizationV1Api(_client())
    metadata = {"metadata": {"name": name}}
    core().create_namespaced_service_account(namespace, metadata)
    rbac.create_namespaced_role(namespace, {**metadata, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"apiGroup": group, "kind": "Role", "name": name}
    rbac.create_namespaced_role_binding(namespace, {**metadata, "roleRef": role, "subjects": [subject]})
    made = core().create_namespaced_service_account_token(name, namespace, {"spec": {"expirationSeconds": 3600}})
    content = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    content["users"] = [{"name": name, "user": {"token": made.status.token}}]
    current_context(content)["user"] = name
    return write_kubeconfig(content, folder / f"{name}.kubeconfig")


def current_context(content: Json) -> Json:
    """The context of a kubeconfig that is in use."""
    return dict_of(content["contexts"], content["current-context"], "context")


def current_cluster(content: Json) -> Json:
    """The cluster of a kubeconfig that is in use."""
    return dict_of(content["clusters"], current_context(content)["cluster"], "cluster")


def dict_of(items: list[Json], name: str, key: str) -> Json:
    """The part of the item of this name, as a kubeconfig keeps its lists."""
    found: Json = next(item for item in items if item["name"] == name)[key]
    return found


def write_kubeconfig(content: Json, path: Path) -> Path:
    """Write it, for its owner alone."""
    import yaml

    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content))
    return path


class CountedRequests:
    """The requests of one service account, as the API server itself counts them: a flow schema of its own, for a while."""

    def __init__(self, namespace: str, account: str) -> None:
        self._name, self._namespace, self._account = f"counts-{namespace}", namespace, account

    def __enter__(self) -> "CountedRequests":
        from kubernetes import client

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
        """How many requests of the account there were so far."""
        api = _client()
        headers = {item["key"]: item["value"] for item in api.configuration.auth_settings().values()}
        url = api.configuration.host + "/metrics"
        text = api.rest_client.pool_manager.request("GET", url, headers=headers).data.decode()
        pattern = rf'^apiserver_flowcontrol_dispatched_requests_total{{flow_schema="{self._name}".*}} (\d+)'
        return sum(int(float(found)) for found in re.findall(pattern, text, re.MULTILINE))
