"""How a release stands on the cluster: steps, shards, pods, retries, rate, time left, GPU hours and cost so far.

Reads the CronJobs, Jobs and pods of the release, three requests in all; changes nothing. GPU hours are those of the pods that
are still listed: what went with its node is missing. `skuscribe status --release NAME` prints it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs import steps as plan
from jobs.pipeline.cluster import CRONJOBS, JOBS, PODS, Cluster, Json
from jobs.pipeline.termination import JOB_LABEL, FailedPod, culprit, failed_pod
from jobs.process.errors import NotReadyError

NAME_LABEL, INSTANCE_LABEL = "app.kubernetes.io/name", "app.kubernetes.io/instance"


@dataclass(frozen=True)
class PodState:
    """A pod, and the seconds that its container has run; `waits_for` says what a pending pod lacks."""

    job: str
    name: str
    phase: str
    seconds: float
    gpus: int
    waits_for: str
    failure: FailedPod | None


@dataclass(frozen=True)
class StepState:
    """A step of the release, by its latest Job. Rates are indexes an hour; None where nothing has ended yet."""

    step: str
    state: str
    job: str
    done: int
    indexes: int
    running: int
    pending: int
    failed: int
    taken: int
    seconds: float
    per_hour: float | None
    seconds_left: float | None
    gpu_hours: float
    note: str


def overview(cluster: Cluster, release: str, gpu_hour_price: float, now: datetime | None = None) -> Iterator[str]:
    """The lines to print. Errors: `NotReadyError` (75) where the namespace has no such release."""
    states = steps_of(cluster, release, now or datetime.now(UTC))
    if not states:
        raise NotReadyError(
            f"no release {release!r} in namespace {cluster.namespace}: `helm list -n {cluster.namespace}` shows those "
            "there are, and `--namespace` looks elsewhere"
        )
    yield f"release {release} in namespace {cluster.namespace}"
    yield f"  {'step':<12}{'state':<11}{'done':>11}{'pods':>22}{'failed':>8}{'taken':>7}{'time':>10}{'an hour':>10}{'left':>10}{'GPU hours':>11}"
    for item in states:
        yield _line(item)
    yield from (f"  {item.step}: {item.note}" for item in states if item.note)
    hours = sum(item.gpu_hours for item in states)
    price = f", {hours * gpu_hour_price:,.2f} at {gpu_hour_price:,.2f} an hour" if gpu_hour_price else ""
    yield f"  {sum(item.state == 'complete' for item in states)} of {len(states)} steps complete; {hours:,.2f} GPU hours{price}"


def steps_of(cluster: Cluster, release: str, now: datetime) -> list[StepState]:
    """The steps that the release has, in order. A release goes by Helm's name, or by what its CronJobs' names begin with."""
    labels = f"{NAME_LABEL}=skuscribe"
    cronjobs = {item["metadata"]["name"]: item for item in cluster.list(CRONJOBS, labels).items}
    named = {
        step.name: name
        for step in plan.in_order()
        for name, item in cronjobs.items()
        if name == f"{release}-{step.name}"
        or (name.endswith(f"-{step.name}") and item["metadata"]["labels"].get(INSTANCE_LABEL) == release)
    }
    if not named:
        return []
    jobs = cluster.list(JOBS, labels).items
    pods = [pod_state(item, now) for item in cluster.list(PODS, labels).items]
    return [step_state(step, cronjobs[name], jobs, pods, now) for step, name in named.items()]


def step_state(step: str, cronjob: Json, jobs: Sequence[Json], pods: Sequence[PodState], now: datetime) -> StepState:
    """How a step stands, from its latest Job; the GPU hours are those of all its Jobs' pods that are still listed."""
    name = cronjob["metadata"]["name"]
    mine = [
        item for item in jobs if any(owner["name"] == name for owner in item["metadata"].get("ownerReferences", ()))
    ]
    if not mine:
        indexes = cronjob["spec"]["jobTemplate"]["spec"].get("completions") or 1
        return StepState(step, "waiting", "", 0, indexes, 0, 0, 0, 0, 0.0, None, None, 0.0, "")
    job = max(mine, key=lambda item: str(item["metadata"]["creationTimestamp"]))
    names = {item["metadata"]["name"] for item in mine}
    status, indexes = job.get("status", {}), job["spec"].get("completions") or 1
    done, state = status.get("succeeded", 0), _state(job)
    seconds = _between(status.get("startTime"), status.get("completionTime") or _failed_at(job), now)
    per_hour = done / seconds * 3600 if done and seconds else None
    own = [pod for pod in pods if pod.job == job["metadata"]["name"]]
    failures = [pod.failure for pod in own if pod.failure is not None]
    return StepState(
        step=step,
        state=state,
        job=job["metadata"]["name"],
        done=done,
        indexes=indexes,
        running=sum(pod.phase == "Running" for pod in own),
        pending=sum(pod.phase == "Pending" for pod in own),
        failed=max(status.get("failed", 0), sum(not failure.taken for failure in failures)),  # pods go with their node
        taken=sum(failure.taken for failure in failures),
        seconds=seconds,
        per_hour=per_hour,
        seconds_left=(indexes - done) / per_hour * 3600 if per_hour and state == "running" else None,
        gpu_hours=sum(pod.seconds * pod.gpus for pod in pods if pod.job in names) / 3600,
        note=_note(job, own, failures),
    )


def pod_state(pod: Json, now: datetime) -> PodState:
    """A pod of the API, as it matters here."""
    status, phase = pod.get("status", {}), pod.get("status", {}).get("phase", "Unknown")
    times = [
        _between(part["startedAt"], part.get("finishedAt"), now)
        for container in status.get("containerStatuses", ())
        for part in container.get("state", {}).values()
        if part.get("startedAt")
    ]
    limits = [item.get("resources", {}).get("limits", {}) for item in pod["spec"]["containers"]]
    return PodState(
        job=pod["metadata"].get("labels", {}).get(JOB_LABEL, ""),
        name=pod["metadata"]["name"],
        phase=phase,
        seconds=max(times, default=0.0),
        # GPUs are extended resources, whose names have a domain.
        gpus=sum(int(count) for limit in limits for name, count in limit.items() if "/" in name),
        waits_for=_waits_for(status) if phase == "Pending" else "",
        failure=failed_pod(pod) if phase == "Failed" else None,
    )


def _waits_for(status: Json) -> str:
    """What a pending pod lacks: a node, or something that its container waits for."""
    lacks = [
        f"{item.get('reason', '')}: {item.get('message', '')}"
        for item in status.get("conditions", ())
        if item["type"] == "PodScheduled" and item["status"] == "False"
    ]
    waiting = [item["state"]["waiting"] for item in status.get("containerStatuses", ()) if "waiting" in item["state"]]
    lacks += [f"{item.get('reason', '')}: {item.get('message', '')}" for item in waiting]
    return "; ".join(text.strip(": ") for text in lacks)


def _note(job: Json, pods: Sequence[PodState], failures: Sequence[FailedPod]) -> str:
    """One line for what is not as it should be: why the Job failed, why a pod waits, how the latest failed pod ended."""
    latest_first = sorted(failures, key=lambda item: item.finished, reverse=True)
    failed = culprit(job, latest_first)
    waiting = next((f"pod {pod.name} waits: {pod.waits_for}" for pod in pods if pod.waits_for), "")
    if not pods and _state(job) == "running":
        waiting = f"no pod yet; `kubectl describe job {job['metadata']['name']}` says what is in the way"
    if failed is None:
        return waiting
    index = "" if failed.index is None else f"index {failed.index}, "
    ended = (
        f"pod {failed.name} ({index}exit code {failed.exit_code}): {failed.words or failed.reason or 'no last words'}"
    )
    return "; ".join(part for part in (waiting, ended) if part)


def _state(job: Json) -> str:
    conditions = {item["type"] for item in job.get("status", {}).get("conditions", ()) if item["status"] == "True"}
    named = {"Complete": "complete", "Failed": "failed", "Suspended": "suspended"}
    return next((name for condition, name in named.items() if condition in conditions), "running")


def _failed_at(job: Json) -> str | None:
    conditions = job.get("status", {}).get("conditions", ())
    return next((item["lastTransitionTime"] for item in conditions if item["type"] == "Failed"), None)


def _between(start: str | None, end: str | None, now: datetime) -> float:
    """Seconds from a time to another, or until now."""
    if start is None:
        return 0.0
    return max(0.0, ((datetime.fromisoformat(end) if end else now) - datetime.fromisoformat(start)).total_seconds())


def _line(item: StepState) -> str:
    pods = ", ".join(
        f"{count} {name}" for name, count in (("running", item.running), ("pending", item.pending)) if count
    )
    rate = "" if item.per_hour is None or item.indexes == 1 else f"{item.per_hour:,.1f}"
    left = "" if item.seconds_left is None else _span(item.seconds_left)
    cells = f"{f'{item.done:,}/{item.indexes:,}':>11}{pods:>22}{item.failed or '':>8}{item.taken or '':>7}"
    times = f"{_span(item.seconds) if item.seconds else '':>10}{rate:>10}{left:>10}"
    return f"  {item.step:<12}{item.state:<11}{cells}{times}{f'{item.gpu_hours:,.2f}' if item.gpu_hours else '':>11}".rstrip()


def _span(seconds: float) -> str:
    """A time as people read it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
