"""Why a Job or a pod waits: pod conditions, container states and events. `pipeline` logs it and `status` prints it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from jobs.pipeline.cluster import EVENTS, Cluster, Json
from jobs.pipeline.termination import failing_pod, failures, pod_end
from jobs.process.errors import ConfigurationError

MAX_CHARACTERS = 500
STARTING = ("ContainerCreating", "PodInitializing")
"""Reasons of a waiting container that say nothing: an event has the cause."""

OVERDUE_SECONDS = 60.0
"""A pod that has not ended this long after its deletionTimestamp, the end of its grace period, is on a node that does not answer."""

Warnings = Mapping[tuple[str, str], str]
"""The latest warning about an object, by kind and name."""


def read_warnings(cluster: Cluster) -> Warnings:
    """Return the warnings among the events of the namespace. Without the permission to list events: none."""
    try:
        events = cluster.list(EVENTS, "", "type=Warning").items
    except ConfigurationError:
        return {}
    latest: dict[tuple[str, str], str] = {}
    for event in sorted(events, key=_time):
        about = event.get("involvedObject", {})
        latest[str(about.get("kind")), str(about.get("name"))] = _sentence(event.get("reason"), event.get("message"))
    return latest


def pod_reason(pod: Json, warnings: Warnings) -> str:
    """Return why a pod does not run: it is not scheduled, or what its container waits for. Empty: no reason is known."""
    status = pod.get("status", {})
    reasons = [
        _sentence(condition.get("reason"), condition.get("message"))
        for condition in status.get("conditions", ())
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    waiting = [container["state"]["waiting"] for container in containers if "waiting" in container.get("state", {})]
    reasons += [
        _sentence(state.get("reason"), state.get("message"))
        for state in waiting
        if state.get("reason") not in STARTING or state.get("message")
    ]
    warning = warnings.get(("Pod", pod["metadata"]["name"]))
    return "; ".join(reasons or ([warning] if warning else []))


def is_overdue(pod: Json, now: datetime) -> bool:
    """Return whether a deleted pod has not ended in time. Its phase stays `Running`, because only its node changes it."""
    deleted = pod["metadata"].get("deletionTimestamp")
    if deleted is None or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return False
    return (now - datetime.fromisoformat(deleted)).total_seconds() > OVERDUE_SECONDS


def overdue_reason(pods: Sequence[Json], now: datetime) -> str:
    """Return which pod is on a node that does not answer, and what to do. Empty: there is none.

    The Job replaces such a pod only once it is `Failed`. `kubectl delete pod --force` does not make it so: the Job's finalizer
    keeps the pod.
    """
    metadata, node = next(
        ((pod["metadata"], pod.get("spec", {}).get("nodeName", "")) for pod in pods if is_overdue(pod, now)), (None, "")
    )
    if metadata is None:
        return ""
    name = metadata["name"]
    return (
        f"pod {name} is terminating on node {node}, which does not answer: delete the node, taint it out-of-service (`kubectl "
        f"taint nodes {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`), or, if the node is switched off, mark "
        f"the pod as failed (`kubectl -n {metadata.get('namespace')} patch pod {name} --subresource=status -p "
        """'{"status":{"phase":"Failed"}}'`)"""
    )


def job_reason(job: Json, pods: Sequence[Json], warnings: Warnings, now: datetime) -> str:
    """Return why no pod of a Job runs. `pods`: those of the Job."""
    name = job["metadata"]["name"]
    if job["spec"].get("suspend"):
        return "the Job is suspended: a queue such as Kueue admits it, or `kubectl patch job` with suspend: false resumes it"
    if overdue := overdue_reason(pods, now):
        return overdue
    pending = [pod for pod in pods if pod.get("status", {}).get("phase") == "Pending"]
    reasons = {
        f"pod {pod['metadata']['name']} is pending: {reason}"
        for pod in pending
        if (reason := pod_reason(pod, warnings))
    }
    if reasons:
        return min(reasons)
    if pending:
        return f"pod {pending[0]['metadata']['name']} is starting"
    if warning := warnings.get(("Job", name)):
        return f"no pod: {warning}"
    blamed = failing_pod(job, failures(pods))
    if blamed is not None:
        return f"the next attempt starts after a backoff; {pod_end(blamed)}"
    return f"no pod yet; `kubectl describe job {name}` shows the reason"


def _sentence(reason: object, message: object) -> str:
    return f"{reason or ''}: {message or ''}".strip(": ")[:MAX_CHARACTERS]


def _time(event: Json) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(time) for time in times if time), "")
