"""Why a Job failed: the pod that failed it, its index, its exit code and its termination message."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.pipeline.cluster import COMPONENT_LABEL, PODS, Cluster, Json, label, true_conditions
from jobs.process.errors import ConfigurationError, InputError

INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
JOB_LABEL = "batch.kubernetes.io/job-name"
CHECK_CONTAINER = "check"
"""The chart's container before the main one of `train`. A main container has the name of its pod's component."""

MAX_MESSAGE_CHARACTERS = 2000

EXIT_CODE_MEANINGS = {
    1: "a defect of the program: the pod's log has the traceback",
    2: "unknown command-line argument",
    65: "bad input, not retried",
    75: "an input or a service was unavailable in every attempt",
    78: "wrong setting, not retried",
    137: "killed in every attempt: out of memory, or its node was lost",
    143: "interrupted in every attempt",
}


@dataclass(frozen=True)
class FailedPod:
    """How a pod ended. `exit_code` is None if no container reports one.

    `container`: the one with this code, if it is not one of the chart's, such as one that a service mesh adds. `disrupted`: it
    was evicted, preempted or lost its node; `disruption` says how.
    """

    name: str
    index: int | None
    exit_code: int | None
    reason: str
    message: str
    finished: str
    disrupted: bool
    disruption: str = ""
    container: str = ""


class StepFailed(InputError):
    """A step failed. Exit code 65: retrying the pipeline does not help."""


class StepMisconfigured(StepFailed):
    """A step failed because of a wrong setting (78)."""

    exit_code = ConfigurationError.exit_code


def step_failure(message: str, pod: FailedPod | None) -> StepFailed:
    """Return the error with which a pipeline ends, with the exit code that fits the pod's."""
    wrong_setting = pod is not None and not pod.container and pod.exit_code in (2, ConfigurationError.exit_code)
    return StepMisconfigured(message) if wrong_setting else StepFailed(message)


def failed_pods(cluster: Cluster, job: str) -> list[FailedPod]:
    """Return the failed pods of a Job, the latest first."""
    return failures(cluster.list(PODS, f"{JOB_LABEL}={job}", "status.phase=Failed").items)


def failures(pods: Sequence[Json]) -> list[FailedPod]:
    """Return the failed ones among pods of the API, the latest first."""
    failed = [failed_pod(pod) for pod in pods if pod.get("status", {}).get("phase") == "Failed"]
    return sorted(failed, key=lambda pod: pod.finished, reverse=True)


def failed_pod(pod: Json) -> FailedPod:
    """Return how a pod of the API ended. If several containers failed, one of the chart's says how."""
    status, metadata = pod.get("status", {}), pod["metadata"]
    terminations: list[tuple[str, Json]] = [
        (container["name"], state["terminated"])
        for kind in ("containerStatuses", "initContainerStatuses")
        for container in status.get(kind, ())
        if "terminated" in (state := container.get("state", {})) and state["terminated"].get("exitCode")
    ]
    own = (label(pod, COMPONENT_LABEL), CHECK_CONTAINER)
    name, terminated = min(terminations, key=lambda found: found[0] not in own, default=("", Json()))
    index = label(pod, INDEX_LABEL)
    conditions = true_conditions(pod)
    disruption = conditions.get("DisruptionTarget", {})
    return FailedPod(
        name=metadata["name"],
        index=None if index is None else int(index),
        exit_code=terminated.get("exitCode"),
        reason=terminated.get("reason") or status.get("reason", ""),
        message=(terminated.get("message") or status.get("message") or "").strip()[:MAX_MESSAGE_CHARACTERS],
        finished=terminated.get("finishedAt") or metadata.get("creationTimestamp", ""),
        disrupted="DisruptionTarget" in conditions,
        disruption=f"{disruption.get('reason') or ''}: {disruption.get('message') or ''}".strip(": "),
        container="" if name in own else name,
    )


def pod_end(pod: FailedPod) -> str:
    """Return a phrase about how a pod ended: with an exit code, or by a disruption, with its message."""
    index = "" if pod.index is None else f"index {pod.index}, "
    if pod.disrupted:
        message = pod.message or pod.disruption or pod.reason or "its node was lost"
        return f"pod {pod.name} ({index}disrupted): {message}"
    message = pod.message or pod.reason or "no termination message"
    return f"pod {pod.name} ({index}{_exit_code(pod)}): {message}"


def _exit_code(pod: FailedPod) -> str:
    code = "no exit code" if pod.exit_code is None else f"exit code {pod.exit_code}"
    return f"{code} of container {pod.container}" if pod.container else code


def disruptions(pods: Sequence[Json]) -> list[FailedPod]:
    """Return the disrupted pods among all pods of a Job since its last pod that succeeded, the latest first."""
    succeeded = [_finished(pod) for pod in pods if pod.get("status", {}).get("phase") == "Succeeded"]
    since = max(succeeded, default="")
    return [pod for pod in failures(pods) if pod.disrupted and pod.finished > since]


def _finished(pod: Json) -> str:
    states = [container.get("state", {}) for container in pod.get("status", {}).get("containerStatuses", ())]
    return max((state["terminated"].get("finishedAt") or "" for state in states if "terminated" in state), default="")


def failing_pod(job: Json, pods: Sequence[FailedPod]) -> FailedPod | None:
    """Return the pod that failed a Job.

    That is the pod that a condition of the Job names, as it does after an exit code that fails the Job at once; or else one of a
    failed index, and not one that only lost its node if there is another.
    """
    messages = [str(condition.get("message")) for condition in _failed_conditions(job)]
    named = [pod for pod in pods if any(f"/{pod.name} " in message for message in messages)]
    failed_indexes = parse_indexes(job.get("status", {}).get("failedIndexes", ""))
    of_failed_index = [pod for pod in pods if not failed_indexes or pod.index in failed_indexes]
    return min(named or of_failed_index or pods, key=lambda pod: pod.disrupted, default=None)


def _failed_conditions(job: Json) -> list[Json]:
    return [item for item in job.get("status", {}).get("conditions", ()) if item["type"] == "Failed"]


def parse_indexes(text: str) -> set[int]:
    """Return the indexes that the Job controller writes as `1,3-5`: {1, 3, 4, 5}."""
    indexes: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        indexes.update(range(int(first), int(last or first) + 1))
    return indexes


def failure_message(step: str, job: Json, pod: FailedPod | None) -> str:
    """Return what failed, in which pod, and its termination message."""
    name = job["metadata"]["name"]
    reason = "; ".join(
        f"{item.get('reason', 'no reason given')}: {item.get('message', '')}" for item in _failed_conditions(job)
    )
    if pod is None:
        return f"step {step} failed: Job {name} ({reason}); no failed pod of it is left to show its termination message"
    index = "" if pod.index is None else f", index {pod.index}"
    pod_reason = f" {pod.reason}" if pod.reason not in ("", "Error") else ""
    meaning = "" if pod.container else EXIT_CODE_MEANINGS.get(pod.exit_code or 0, "")
    explained = f"{_exit_code(pod)}{pod_reason}{f' ({meaning})' if meaning else ''}"
    message = f"Its termination message: {pod.message}" if pod.message else f"It left no termination message; Job {name}: {reason}"  # fmt: skip
    return f"step {step}{index} failed with {explained}, pod {pod.name}. {message}"
