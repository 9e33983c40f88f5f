"""The status of a release on the cluster: steps, pods, failures, rate, time left, GPU hours and their cost.

Reads the CronJobs, Jobs, pods and events of the release with four requests; changes nothing. GPU hours count the pods that
Kubernetes still lists: those that were deleted with their node are missing. `skuscribe status --release NAME` prints it.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean

from jobs import steps
from jobs.pipeline.cluster import (
    COMPONENT_LABEL,
    CRONJOBS,
    INSTANCE_LABEL,
    JOBS,
    NAME_LABEL,
    PIPELINE,
    PODS,
    Cluster,
    Json,
    label,
    true_conditions,
)
from jobs.pipeline.decision import owning_cronjob
from jobs.pipeline.termination import JOB_LABEL, FailedPod, failing_pod, failures, pod_end
from jobs.pipeline.waiting import Warnings, is_overdue, job_reason, overdue_reason, pod_reason, read_warnings
from jobs.process.durations import duration
from jobs.process.errors import InputError, NotReadyError

SERVICES = "services"

MIN_WORK_SECONDS = 30.0
"""A pod that succeeded in less time counts as one whose index was already done."""

MIN_WORK_FRACTION = 0.25
"""So does a pod that succeeded in less than this fraction of the longest time of the Job's pods."""

GPU_RESOURCE_ANNOTATION = "skuscribe/gpu-resource"
"""On a CronJob: the extended resource that the chart's `gpuResource` names."""

_GPU_NAMES = re.compile(r".+/gpu([.]shared)?|nvidia[.]com/mig-.+|gpu[.]intel[.]com/(i915|xe)")
"""Extended resources that are GPUs, for releases without that annotation. Network adapters (EFA, RDMA) are extended resources too."""


@dataclass(frozen=True)
class PodStatus:
    """A pod of a Job, with the seconds that its container has run.

    `phase`: that of the API, or `Terminating` if its node does not answer.
    """

    job: str
    phase: str
    seconds: float
    gpus: int


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


@dataclass(frozen=True)
class ReleaseStatus:
    """A release. `pipeline` is None if none was started; `services`: a note for each pod of the demo's services."""

    name: str
    namespace: str
    steps: Sequence[StepStatus]
    pipeline: StepStatus | None
    services: Sequence[str]

    def check_complete(self) -> None:
        """Errors: `InputError` (65) if the pipeline or a Job has failed, `NotReadyError` (75) if something is not complete.

        Without a pipeline, the Jobs that exist count, of which there must be one. A Job that failed before a pipeline that is
        complete does not count.
        """
        statuses = [self.pipeline, *self.steps] if self.pipeline else list(self.steps)
        since = self.pipeline.created if self.pipeline and self.pipeline.state == "complete" else ""
        failed = [status.step for status in statuses if status.state == "failed" and status.created >= since]
        if failed:
            raise InputError(f"failed: {', '.join(failed)}. The lines above say why")
        pipeline = [self.pipeline] if self.pipeline else []
        unfinished = [status.step for status in (*pipeline, *self.steps) if status.state in ("running", "suspended")]
        if unfinished:
            raise NotReadyError(f"not complete yet: {', '.join(unfinished)}")
        if not any(status.state == "complete" for status in (*pipeline, *self.steps)):
            raise NotReadyError(
                "no Job of the release is complete: an upgrade of the release starts its pipeline (finished Jobs are removed after "
                "ttlSecondsAfterFinished)"
            )


def read(cluster: Cluster, release: str, now: datetime | None = None) -> ReleaseStatus:
    """Return the status of a release. `release`: its name in Helm, or the prefix of its CronJobs' names.

    Errors: `NotReadyError` (75) if the namespace has no such release.
    """
    now = now or datetime.now(UTC)
    selector = f"{NAME_LABEL}=skuscribe"
    cronjobs = _cronjobs(cluster, release, selector)
    if not cronjobs:
        raise NotReadyError(
            f"no release {release!r} in namespace {cluster.namespace}: `helm list -n {cluster.namespace}` lists the "
            "releases there; --namespace selects another namespace"
        )
    instances = {cronjob["metadata"]["labels"].get(INSTANCE_LABEL) for cronjob in cronjobs.values()}
    jobs, pods = (
        [item for item in cluster.list(resource, selector).items if label(item, INSTANCE_LABEL) in instances]
        for resource in (JOBS, PODS)
    )
    warnings = read_warnings(cluster)
    own_pipelines = [job for job in jobs if label(job, COMPONENT_LABEL) == PIPELINE]
    pipeline = _status(PIPELINE, own_pipelines, 1, pods, warnings, now) if own_pipelines else None
    services = [pod for pod in pods if label(pod, COMPONENT_LABEL) == SERVICES]
    found = [step_status(step, cronjob, jobs, pods, warnings, now) for step, cronjob in cronjobs.items()]
    return ReleaseStatus(
        release,
        cluster.namespace,
        [_superseded(step, pipeline) for step in found],
        pipeline,
        list(_service_notes(_services_names(cronjobs), services, warnings, now)),
    )


def lines(status: ReleaseStatus, gpu_hour_price: float) -> Iterator[str]:
    """Yield the lines to print."""
    yield f"release {status.name} in namespace {status.namespace}"
    yield (
        f"  {'step':<12}{'state':<11}{'done':>11}{'pods':>22}{'failed':>8}{'disrupted':>11}{'time':>14}{'per hour':>10}"
        f"{'time left':>14}{'GPU hours':>11}"
    )
    shown = [*([status.pipeline] if status.pipeline else []), *status.steps]
    for step in shown:
        yield _line(step)
    yield from (f"  {step.step}: {step.note}" for step in shown if step.note)
    yield from (f"  {SERVICES}: {note}" for note in status.services)
    hours = sum(step.gpu_hours for step in status.steps)
    cost = f", {hours * gpu_hour_price:,.2f} at {gpu_hour_price:,.2f} per hour" if gpu_hour_price else ""
    complete = sum(step.state == "complete" for step in status.steps)
    yield f"  {complete} of {len(status.steps)} steps complete; {hours:,.2f} GPU hours{cost}"


def _cronjobs(cluster: Cluster, release: str, selector: str) -> dict[str, Json]:
    """Return the CronJob of each step that the release has, in order."""
    cronjobs = {cronjob["metadata"]["name"]: cronjob for cronjob in cluster.list(CRONJOBS, selector).items}
    return {
        step.name: cronjob
        for step in steps.in_order()
        for name, cronjob in cronjobs.items()
        if name == f"{release}-{step.name}"
        or (name.endswith(f"-{step.name}") and label(cronjob, INSTANCE_LABEL) == release)
    }


def _services_names(cronjobs: Mapping[str, Json]) -> set[str]:
    """Return the names that the chart gives the Deployment of the services: one for each prefix of the CronJobs' names."""
    prefixes = {cronjob["metadata"]["name"].removesuffix(f"-{step}") for step, cronjob in cronjobs.items()}
    return {f"{'skuscribe-' if prefix[0].isdigit() else ''}{prefix}-{SERVICES}" for prefix in prefixes}


def _service_notes(
    deployments: Collection[str], pods: Sequence[Json], warnings: Warnings, now: datetime
) -> Iterator[str]:
    """Yield a note for each pod of the services that is not ready, and for each ReplicaSet that cannot create one.

    `deployments`: the names of the Deployments to which these ReplicaSets belong.
    """
    if overdue := overdue_reason(pods, now):
        yield overdue
    for pod in (pod for pod in pods if not is_overdue(pod, now)):
        if "Ready" not in true_conditions(pod):
            reason = pod_reason(pod, warnings) or str(pod.get("status", {}).get("phase", "Unknown"))
            yield f"pod {pod['metadata']['name']} is not ready: {reason}"
    if not pods:
        for (kind, name), warning in warnings.items():
            if kind == "ReplicaSet" and name.rpartition("-")[0] in deployments:
                yield f"no pod: {warning}"


def _superseded(step: StepStatus, pipeline: StepStatus | None) -> StepStatus:
    """Return the status, as superseded if its Job failed before the pipeline that is not finished was created."""
    if pipeline is None or pipeline.state not in ("running", "suspended"):
        return step
    if step.state != "failed" or step.created >= pipeline.created:
        return step
    note = f"Job {step.job} is older than the pipeline and failed"
    return replace(step, state="superseded", note=f"{note}; {step.note}" if step.note else note)


def step_status(
    step: str, cronjob: Json, jobs: Sequence[Json], pods: Sequence[Json], warnings: Warnings, now: datetime
) -> StepStatus:
    """Return the status of a step, from its latest Job. Its GPU hours include the listed pods of earlier Jobs."""
    name = cronjob["metadata"]["name"]
    owned = [job for job in jobs if (owner := owning_cronjob(job)) is not None and owner["name"] == name]
    indexes = cronjob["spec"]["jobTemplate"]["spec"].get("completions") or 1
    gpu_resource = cronjob["metadata"].get("annotations", {}).get(GPU_RESOURCE_ANNOTATION)
    return _status(step, owned, indexes, pods, warnings, now, gpu_resource)


def _status(
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


def _per_hour(pods: Sequence[PodStatus]) -> float | None:
    """Return the indexes per hour of the running pods, from the mean time of those that have done the work of an index."""
    longest = max((pod.seconds for pod in pods), default=0.0)
    minimum = max(MIN_WORK_SECONDS, MIN_WORK_FRACTION * longest)
    times = [pod.seconds for pod in pods if pod.phase == "Succeeded" and pod.seconds >= minimum]
    running = sum(pod.phase == "Running" for pod in pods)
    return running * 3600 / fmean(times) if times and running else None


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


def _line(status: StepStatus) -> str:
    counts = (("running", status.running), ("pending", status.pending))
    pods = ", ".join(f"{count} {phase}" for phase, count in counts if count)
    rate = "" if status.per_hour is None or status.indexes == 1 else f"{status.per_hour:,.1f}"
    time = duration(status.seconds) if status.seconds else ""
    time_left = "" if status.seconds_left is None else duration(status.seconds_left)
    gpu_hours = f"{status.gpu_hours:,.2f}" if status.gpu_hours else ""
    done = f"{status.done:,}/{status.indexes:,}"
    cells = f"{done:>11}{pods:>22}{status.failed or '':>8}{status.disrupted or '':>11}"
    times = f"{time:>14}{rate:>10}{time_left:>14}{gpu_hours:>11}"
    return f"  {status.step:<12}{status.state:<11}{cells}{times}".rstrip()
