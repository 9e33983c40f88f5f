"""The status of a release on the cluster: steps, pods, failures, rate, time left, GPU hours and their cost.

Reads the CronJobs, Jobs and pods of the release with three requests; changes nothing. GPU hours count the pods that
Kubernetes still lists: those that were deleted with their node are missing. `skuscribe status --release NAME` prints it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs import steps
from jobs.pipeline.cluster import CRONJOBS, JOBS, PODS, Cluster, Json
from jobs.pipeline.termination import JOB_LABEL, FailedPod, failed_pod, failing_pod
from jobs.process.errors import NotReadyError

NAME_LABEL, INSTANCE_LABEL = "app.kubernetes.io/name", "app.kubernetes.io/instance"


@dataclass(frozen=True)
class PodStatus:
    """A pod, with the seconds that its container has run, and the reason why it is pending."""

    job: str
    name: str
    phase: str
    seconds: float
    gpus: int
    pending_reason: str
    failure: FailedPod | None


@dataclass(frozen=True)
class StepStatus:
    """A step of the release, from its latest Job. `per_hour` counts indexes; None until one is complete."""

    step: str
    state: str
    job: str
    done: int
    indexes: int
    running: int
    pending: int
    failed: int
    disrupted: int
    seconds: float
    per_hour: float | None
    seconds_left: float | None
    gpu_hours: float
    note: str


def overview(cluster: Cluster, release: str, gpu_hour_price: float, now: datetime | None = None) -> Iterator[str]:
    """Yield the lines to print. Errors: `NotReadyError` (75) if the namespace has no such release."""
    statuses = step_statuses(cluster, release, now or datetime.now(UTC))
    if not statuses:
        raise NotReadyError(
            f"no release {release!r} in namespace {cluster.namespace}: `helm list -n {cluster.namespace}` lists the "
            "releases there; --namespace selects another namespace"
        )
    yield f"release {release} in namespace {cluster.namespace}"
    yield (
        f"  {'step':<12}{'state':<11}{'done':>11}{'pods':>22}{'failed':>8}{'disrupted':>11}{'time':>10}{'per hour':>10}"
        f"{'time left':>11}{'GPU hours':>11}"
    )
    for status in statuses:
        yield _line(status)
    yield from (f"  {status.step}: {status.note}" for status in statuses if status.note)
    hours = sum(status.gpu_hours for status in statuses)
    cost = f", {hours * gpu_hour_price:,.2f} at {gpu_hour_price:,.2f} per hour" if gpu_hour_price else ""
    complete = sum(status.state == "complete" for status in statuses)
    yield f"  {complete} of {len(statuses)} steps complete; {hours:,.2f} GPU hours{cost}"


def step_statuses(cluster: Cluster, release: str, now: datetime) -> list[StepStatus]:
    """Return the status of each step that the release has, in order.

    `release` is the name of the Helm release, or the prefix of its CronJobs' names.
    """
    selector = f"{NAME_LABEL}=skuscribe"
    cronjobs = {cronjob["metadata"]["name"]: cronjob for cronjob in cluster.list(CRONJOBS, selector).items}
    cronjob_names = {
        step.name: name
        for step in steps.in_order()
        for name, cronjob in cronjobs.items()
        if name == f"{release}-{step.name}"
        or (name.endswith(f"-{step.name}") and cronjob["metadata"]["labels"].get(INSTANCE_LABEL) == release)
    }
    if not cronjob_names:
        return []
    jobs = cluster.list(JOBS, selector).items
    pods = [pod_status(pod, now) for pod in cluster.list(PODS, selector).items]
    return [step_status(step, cronjobs[name], jobs, pods, now) for step, name in cronjob_names.items()]


def step_status(step: str, cronjob: Json, jobs: Sequence[Json], pods: Sequence[PodStatus], now: datetime) -> StepStatus:
    """Return the status of a step, from its latest Job. Its GPU hours include the listed pods of earlier Jobs."""
    name = cronjob["metadata"]["name"]
    owned = [job for job in jobs if any(owner["name"] == name for owner in job["metadata"].get("ownerReferences", ()))]
    if not owned:
        indexes = cronjob["spec"]["jobTemplate"]["spec"].get("completions") or 1
        return StepStatus(step, "waiting", "", 0, indexes, 0, 0, 0, 0, 0.0, None, None, 0.0, "")
    job = max(owned, key=lambda job: str(job["metadata"]["creationTimestamp"]))
    job_names = {job["metadata"]["name"] for job in owned}
    status, indexes = job.get("status", {}), job["spec"].get("completions") or 1
    done, state = status.get("succeeded", 0), _state(job)
    seconds = _seconds(status.get("startTime"), status.get("completionTime") or _failed_at(job), now)
    per_hour = done / seconds * 3600 if done and seconds else None
    own_pods = [pod for pod in pods if pod.job == job["metadata"]["name"]]
    failures = [pod.failure for pod in own_pods if pod.failure is not None]
    listed_failures = sum(not failure.disrupted for failure in failures)
    return StepStatus(
        step=step,
        state=state,
        job=job["metadata"]["name"],
        done=done,
        indexes=indexes,
        running=sum(pod.phase == "Running" for pod in own_pods),
        pending=sum(pod.phase == "Pending" for pod in own_pods),
        failed=max(status.get("failed", 0), listed_failures),  # failed pods are deleted with their node
        disrupted=sum(failure.disrupted for failure in failures),
        seconds=seconds,
        per_hour=per_hour,
        seconds_left=(indexes - done) / per_hour * 3600 if per_hour and state == "running" else None,
        gpu_hours=sum(pod.seconds * pod.gpus for pod in pods if pod.job in job_names) / 3600,
        note=_note(job, own_pods, failures),
    )


def pod_status(pod: Json, now: datetime) -> PodStatus:
    """Return the status of a pod of the API."""
    status, phase = pod.get("status", {}), pod.get("status", {}).get("phase", "Unknown")
    run_times = [
        _seconds(state["startedAt"], state.get("finishedAt"), now)
        for container in status.get("containerStatuses", ())
        for state in container.get("state", {}).values()
        if state.get("startedAt")
    ]
    limits = [container.get("resources", {}).get("limits", {}) for container in pod["spec"]["containers"]]
    return PodStatus(
        job=pod["metadata"].get("labels", {}).get(JOB_LABEL, ""),
        name=pod["metadata"]["name"],
        phase=phase,
        seconds=max(run_times, default=0.0),
        # A GPU is an extended resource: the only ones with a domain in their name.
        gpus=sum(int(count) for limit in limits for name, count in limit.items() if "/" in name),
        pending_reason=_pending_reason(status) if phase == "Pending" else "",
        failure=failed_pod(pod) if phase == "Failed" else None,
    )


def _pending_reason(status: Json) -> str:
    """Return why a pod is not scheduled, or what its container waits for."""
    unscheduled = [
        condition
        for condition in status.get("conditions", ())
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    states = [container["state"] for container in status.get("containerStatuses", ())]
    waiting = [state["waiting"] for state in states if "waiting" in state]
    reasons = [f"{item.get('reason', '')}: {item.get('message', '')}" for item in (*unscheduled, *waiting)]
    return "; ".join(reason.strip(": ") for reason in reasons)


def _note(job: Json, pods: Sequence[PodStatus], failures: Sequence[FailedPod]) -> str:
    """Return why a pod is pending and how the latest failed pod ended, or an empty text."""
    pending = next((f"pod {pod.name} is pending: {pod.pending_reason}" for pod in pods if pod.pending_reason), "")
    if not pods and _state(job) == "running":
        pending = f"no pod yet; `kubectl describe job {job['metadata']['name']}` shows the reason"
    failed = failing_pod(job, sorted(failures, key=lambda failure: failure.finished, reverse=True))
    if failed is None:
        return pending
    index = "" if failed.index is None else f"index {failed.index}, "
    message = failed.message or failed.reason or "no termination message"
    failure = f"pod {failed.name} ({index}exit code {failed.exit_code}): {message}"
    return "; ".join(part for part in (pending, failure) if part)


def _state(job: Json) -> str:
    conditions = {item["type"] for item in job.get("status", {}).get("conditions", ()) if item["status"] == "True"}
    states = {"Complete": "complete", "Failed": "failed", "Suspended": "suspended"}
    return next((state for condition, state in states.items() if condition in conditions), "running")


def _failed_at(job: Json) -> str | None:
    conditions = job.get("status", {}).get("conditions", ())
    return next((item["lastTransitionTime"] for item in conditions if item["type"] == "Failed"), None)


def _seconds(start: str | None, end: str | None, now: datetime) -> float:
    """Return the seconds from `start` to `end`, or to `now` if there is no end; 0 if there is no start."""
    if start is None:
        return 0.0
    return max(0.0, ((datetime.fromisoformat(end) if end else now) - datetime.fromisoformat(start)).total_seconds())


def _line(status: StepStatus) -> str:
    counts = (("running", status.running), ("pending", status.pending))
    pods = ", ".join(f"{count} {phase}" for phase, count in counts if count)
    rate = "" if status.per_hour is None or status.indexes == 1 else f"{status.per_hour:,.1f}"
    time = _readable(status.seconds) if status.seconds else ""
    time_left = "" if status.seconds_left is None else _readable(status.seconds_left)
    gpu_hours = f"{status.gpu_hours:,.2f}" if status.gpu_hours else ""
    done = f"{status.done:,}/{status.indexes:,}"
    cells = f"{done:>11}{pods:>22}{status.failed or '':>8}{status.disrupted or '':>11}"
    times = f"{time:>10}{rate:>10}{time_left:>11}{gpu_hours:>11}"
    return f"  {status.step:<12}{status.state:<11}{cells}{times}".rstrip()


def _readable(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
