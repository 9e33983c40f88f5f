"""The status of a step of a release, from its Jobs, their pods and the warnings about them.

GPU hours count the pods that Kubernetes still lists: those that were deleted with their node are missing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from jobs.pipeline.cluster import Json, label, true_conditions
from jobs.pipeline.decision import owning_cronjob
from jobs.pipeline.termination import JOB_LABEL, FailedPod, failing_pod, failures, pod_end
from jobs.pipeline.waiting import Warnings, is_overdue, job_reason, overdue_reason

MIN_WORK_SECONDS = 30.0
"""A pod that succeeded in less time counts as one whose index was already done."""

MIN_WORK_FRACTION = 0.25
"""So does a pod that succeeded in less than this fraction of the longest time of the Job's pods."""

GPU_RESOURCE_ANNOTATION = "skuscribe/gpu-resource"
"""On a CronJob: the extended resource that the chart's `gpuResource` names."""

_GPU_NAMES = re.compile(r".+/gpu([.]shared)?|nvidia[.]com/mig-.+|gpu[.]intel[.]com/(i915|xe)")
"""Extended resources that are GPUs, for releases without that annotation. Network adapters (EFA, RDMA) are extended resources too."""


@dataclass(frozen=True, kw_only=True)
class StepStatus:
    """A step of the release, from its latest Job.

    `state`: waiting, running, suspended, complete, failed, or superseded: the Job failed before the running pipeline was created.
    `per_hour`: indexes; None if no Job runs, or none of its pods has done the work of an index.
    """

    step: str
    state: str
    indexes: int
    job: str = ""
    created: str = ""
    done: int = 0
    running: int = 0
    pending: int = 0
    failed: int = 0
    disrupted: int = 0
    seconds: float = 0.0
    per_hour: float | None = None
    seconds_left: float | None = None
    gpu_hours: float = 0.0
    note: str = ""


def step_status(
    step: str, cronjob: Json, jobs: Sequence[Json], pods: Sequence[Json], warnings: Warnings, now: datetime
) -> StepStatus:
    """Return the status of a step, from its latest Job. Its GPU hours include the listed pods of earlier Jobs."""
    name = cronjob["metadata"]["name"]
    owned = [job for job in jobs if (owner := owning_cronjob(job)) is not None and owner["name"] == name]
    indexes = cronjob["spec"]["jobTemplate"]["spec"].get("completions") or 1
    gpu_resource = cronjob["metadata"].get("annotations", {}).get(GPU_RESOURCE_ANNOTATION)
    return latest_job_status(step, owned, indexes, pods, warnings, now, gpu_resource)


def latest_job_status(
    step: str,
    owned: Sequence[Json],
    indexes: int,
    pods: Sequence[Json],
    warnings: Warnings,
    now: datetime,
    gpu_resource: str | None = None,
) -> StepStatus:
    """Return the status of the latest of some Jobs. `indexes`: the number to show if there is none."""
    if not owned:
        return StepStatus(step=step, state="waiting", indexes=indexes)
    job = max(owned, key=lambda job: str(job["metadata"]["creationTimestamp"]))
    job_names = {job["metadata"]["name"] for job in owned}
    status, indexes = job.get("status", {}), job["spec"].get("completions") or 1
    done, state = status.get("succeeded", 0), _state(job)
    failed_at = true_conditions(job).get("Failed", {}).get("lastTransitionTime")
    seconds = _seconds(status.get("startTime"), status.get("completionTime") or failed_at, now)
    listed = [(pod, pod_status(pod, now, gpu_resource)) for pod in pods]
    own_pods = [(pod, found) for pod, found in listed if found.job == job["metadata"]["name"]]
    per_hour = _per_hour([found for _, found in own_pods]) if state == "running" else None
    failed = failures([pod for pod, _ in own_pods])
    listed_failures = sum(not pod.disrupted for pod in failed)
    return StepStatus(
        step=step,
        state=state,
        job=job["metadata"]["name"],
        created=job["metadata"]["creationTimestamp"],
        done=done,
        indexes=indexes,
        running=sum(found.phase == "Running" for _, found in own_pods),
        pending=sum(found.phase == "Pending" for _, found in own_pods),
        failed=max(status.get("failed", 0), listed_failures),  # failed pods are deleted with their node
        disrupted=sum(pod.disrupted for pod in failed),
        seconds=seconds,
        per_hour=per_hour,
        seconds_left=(indexes - done) / per_hour * 3600 if per_hour else None,
        gpu_hours=sum(found.seconds * found.gpus for _, found in listed if found.job in job_names) / 3600,
        note=_note(job, state, [pod for pod, _ in own_pods], failed, warnings, now),
    )


def _state(job: Json) -> str:
    conditions = true_conditions(job)
    states = {
        "Complete": "complete", "SuccessCriteriaMet": "complete", "Failed": "failed", "FailureTarget": "failed",
        "Suspended": "suspended",
    }  # fmt: skip
    return next((state for condition, state in states.items() if condition in conditions), "running")


def _seconds(start: str | None, end: str | None, now: datetime) -> float:
    """Return the seconds from `start` to `end`, or to `now` if there is no end; 0 if there is no start."""
    if start is None:
        return 0.0
    return max(0.0, ((datetime.fromisoformat(end) if end else now) - datetime.fromisoformat(start)).total_seconds())


@dataclass(frozen=True)
class PodStatus:
    """A pod of a Job, with the seconds that its container has run.

    `phase`: that of the API, or `Terminating` if its node does not answer.
    """

    job: str
    phase: str
    seconds: float
    gpus: int


def pod_status(pod: Json, now: datetime, gpu_resource: str | None) -> PodStatus:
    """Return the status of a pod of the API. `gpu_resource`: the extended resource of the release for GPUs, if it is known."""
    status, phase = pod.get("status", {}), pod.get("status", {}).get("phase", "Unknown")
    last_seen = None
    if is_overdue(pod, now):
        phase, last_seen = "Terminating", pod["metadata"]["deletionTimestamp"]
    run_times = [
        _seconds(state["startedAt"], state.get("finishedAt") or last_seen, now)
        for container in status.get("containerStatuses", ())
        for state in container.get("state", {}).values()
        if state.get("startedAt")
    ]
    limits = [container.get("resources", {}).get("limits", {}) for container in pod["spec"]["containers"]]
    return PodStatus(
        job=label(pod, JOB_LABEL) or "",
        phase=phase,
        seconds=max(run_times, default=0.0),
        gpus=sum(
            int(count)
            for limit in limits
            for name, count in limit.items()
            if name == gpu_resource or _GPU_NAMES.fullmatch(name)
        ),
    )


def _per_hour(pods: Sequence[PodStatus]) -> float | None:
    """Return the indexes per hour of the running pods, from the mean time of those that have done the work of an index."""
    longest = max((pod.seconds for pod in pods), default=0.0)
    minimum = max(MIN_WORK_SECONDS, MIN_WORK_FRACTION * longest)
    times = [pod.seconds for pod in pods if pod.phase == "Succeeded" and pod.seconds >= minimum]
    running = sum(pod.phase == "Running" for pod in pods)
    return running * 3600 / fmean(times) if times and running else None


def _note(
    job: Json, state: str, pods: Sequence[Json], failed: Sequence[FailedPod], warnings: Warnings, now: datetime
) -> str:
    """Return why no pod runs and how the latest failed pod ended, or an empty text. A complete Job has no note."""
    if state == "complete":
        return ""
    runs = any(pod.get("status", {}).get("phase") == "Running" and not is_overdue(pod, now) for pod in pods)
    blamed = failing_pod(job, failed)
    waits = state in ("running", "suspended") and not runs
    reason = job_reason(job, pods, warnings, now) if waits else overdue_reason(pods, now)
    failure = pod_end(blamed) if blamed is not None else ""
    return "; ".join(part for part in (reason, failure if failure not in reason else "") if part)
