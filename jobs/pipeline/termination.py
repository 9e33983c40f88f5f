"""Why a Job failed: what the pod that failed it said last, with its index, its exit code and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from jobs.pipeline.cluster import PODS, Cluster, Json
from jobs.process.errors import ConfigurationError, InputError, JobError

INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
JOB_LABEL = "batch.kubernetes.io/job-name"
LONGEST_WORDS = 2000

MEANING = {
    1: "a defect of the program: the pod's log has the traceback",
    2: "the command was called with an argument that it does not have",
    65: "its input is bad and stays bad, so it was not tried again",
    75: "what it needs was not there, in all of its attempts",
    78: "a setting is wrong, so it was not tried again",
    137: "it was killed in all of its attempts: out of memory, or its node went away",
    143: "it was interrupted in all of its attempts",
}


@dataclass(frozen=True)
class FailedPod:
    """How one pod ended. `exit_code` is None where no container says so; `words` is its termination message."""

    name: str
    index: int | None
    exit_code: int | None
    reason: str
    words: str
    finished: str
    taken: bool


class StepFailed(JobError):
    """A step of the pipeline failed. Its code says that trying again is useless: 78 for a setting, else 65."""

    exit_code: ClassVar[int] = InputError.exit_code

    def __init__(self, message: str, pod: FailedPod | None) -> None:
        super().__init__(message)
        if pod is not None and pod.exit_code in (2, ConfigurationError.exit_code):
            self.exit_code = ConfigurationError.exit_code  # type: ignore[misc]  # the step's own class of failure


def failed_pods(cluster: Cluster, job: str) -> list[FailedPod]:
    """The failed pods of a Job, the latest first."""
    found = cluster.list(PODS, f"{JOB_LABEL}={job}", "status.phase=Failed").items
    return sorted((failed_pod(item) for item in found), key=lambda pod: pod.finished, reverse=True)


def failed_pod(pod: Json) -> FailedPod:
    """How a pod of the API ended."""
    status, metadata = pod.get("status", {}), pod["metadata"]
    ends = [
        state["terminated"]
        for kind in ("containerStatuses", "initContainerStatuses")
        for container in status.get(kind, ())
        if "terminated" in (state := container.get("state", {})) and state["terminated"].get("exitCode")
    ]
    end = ends[0] if ends else {}
    index = metadata.get("labels", {}).get(INDEX_LABEL)
    taken = any(
        item["type"] == "DisruptionTarget" and item["status"] == "True" for item in status.get("conditions", ())
    )
    return FailedPod(
        name=metadata["name"],
        index=None if index is None else int(index),
        exit_code=end.get("exitCode"),
        reason=end.get("reason") or status.get("reason", ""),
        words=(end.get("message") or status.get("message") or "").strip()[:LONGEST_WORDS],
        finished=end.get("finishedAt") or metadata.get("creationTimestamp", ""),
        taken=taken,
    )


def culprit(job: Json, pods: Sequence[FailedPod]) -> FailedPod | None:
    """The pod that failed the Job: of an index that failed, and not one that merely lost its node."""
    failed = expand(job.get("status", {}).get("failedIndexes", ""))
    fitting = [pod for pod in pods if not failed or pod.index in failed]
    return min(fitting or pods, key=lambda pod: pod.taken, default=None)


def expand(indexes: str) -> set[int]:
    """`1,3-5` as the Job controller writes it: {1, 3, 4, 5}."""
    found: set[int] = set()
    for part in filter(None, indexes.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def sentence(step: str, job: Json, pod: FailedPod | None) -> str:
    """What happened, in which pod, and what it said."""
    name = job["metadata"]["name"]
    conditions = [item for item in job.get("status", {}).get("conditions", ()) if item["type"] == "Failed"]
    why = "; ".join(f"{item.get('reason', 'no reason given')}: {item.get('message', '')}" for item in conditions)
    if pod is None:
        return f"step {step} failed: Job {name} ({why}), and none of its pods is left to say more"
    part = "" if pod.index is None else f", index {pod.index}"
    code = f"exit code {pod.exit_code}" if pod.exit_code is not None else "no exit code"
    reason = f" {pod.reason}" if pod.reason not in ("", "Error") else ""
    meaning = MEANING.get(pod.exit_code or 0, "")
    said = f" Its last words: {pod.words}" if pod.words else f" It left no last words; the Job says {why}"
    return f"step {step}{part} failed with {code}{reason}{f' ({meaning})' if meaning else ''}, pod {pod.name}.{said}"
