"""The status of a release on the cluster: its steps, its pipeline, and the services of a demo.

Reads the CronJobs, Jobs, pods and events of the release with four requests; changes nothing. `skuscribe status --release NAME` prints
it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

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
from jobs.pipeline.step_status import StepStatus, latest_job_status, step_status
from jobs.pipeline.waiting import Warnings, is_overdue, overdue_reason, pod_reason, read_warnings
from jobs.process.durations import duration
from jobs.process.errors import InputError, NotReadyError

SERVICES = "services"


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
    pipeline = latest_job_status(PIPELINE, own_pipelines, 1, pods, warnings, now) if own_pipelines else None
    services = [pod for pod in pods if label(pod, COMPONENT_LABEL) == SERVICES]
    found = [step_status(step, cronjob, jobs, pods, warnings, now) for step, cronjob in cronjobs.items()]
    return ReleaseStatus(
        release,
        cluster.namespace,
        [_superseded(step, pipeline) for step in found],
        pipeline,
        list(_service_notes(_services_names(cronjobs), services, warnings, now)),
    )


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


def _superseded(step: StepStatus, pipeline: StepStatus | None) -> StepStatus:
    """Return the status, as superseded if its Job failed before the pipeline that is not finished was created."""
    if pipeline is None or pipeline.state not in ("running", "suspended"):
        return step
    if step.state != "failed" or step.created >= pipeline.created:
        return step
    note = f"Job {step.job} is older than the pipeline and failed"
    return replace(step, state="superseded", note=f"{note}; {step.note}" if step.note else note)


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
