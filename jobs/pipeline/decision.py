"""What a pipeline does next: a pure function of the Jobs in the cluster.

A step is launched when every step that it needs is complete and no other Job of the same step is running. An earlier
template, a schedule or a person can have created another one; two at once would train the same shards twice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from jobs.pipeline.cluster import Json, true_conditions
from jobs.pipeline.watch import Change
from jobs.steps import Step

State = Literal["running", "complete", "failed", "terminating", "deleted"]


@dataclass(frozen=True)
class JobStatus:
    """The last known status of a Job.

    `terminating`: it is being deleted, or its CronJob is gone and it will be. `deleted`: it was deleted before it was
    complete.
    """

    name: str
    cronjob: str
    state: State
    succeeded: int = 0
    indexes: int = 1
    failed_pods: int = 0
    ready_pods: int = 0
    suspended: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class PlannedStep:
    """A step of this pipeline: the names of its CronJob and its Job, and the steps that it needs."""

    name: str
    cronjob: str
    job: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """The steps to launch now, those that failed or were deleted, and those blocked by another Job, with its name."""

    launch: tuple[str, ...]
    failed: tuple[str, ...]
    blocked: Mapping[str, str]
    complete: bool


def decide(steps: Sequence[PlannedStep], jobs: Mapping[str, JobStatus]) -> Decision:
    """Return what to do, given the Jobs by name. After a failure nothing is launched."""
    states = {step.name: jobs[step.job].state for step in steps if step.job in jobs}
    complete = {name for name, state in states.items() if state == "complete"}
    failed = tuple(step.name for step in steps if states.get(step.name) in ("failed", "deleted"))
    ready = [step for step in steps if step.name not in states and complete.issuperset(step.needs)]
    blocked = {step.name: step.job for step in steps if states.get(step.name) == "terminating"}
    blocked |= {step.name: other for step in ready if (other := _concurrent_job(step, jobs)) is not None}
    launch = () if failed else tuple(step.name for step in ready if step.name not in blocked)
    return Decision(launch, failed, blocked, len(complete) == len(steps))


def _concurrent_job(step: PlannedStep, jobs: Mapping[str, JobStatus]) -> str | None:
    """Return the name of another Job of the same step that is not finished."""
    others = (job for job in jobs.values() if job.cronjob == step.cronjob and job.name != step.job)
    return next((job.name for job in others if job.state in ("running", "terminating")), None)


def needs_of(steps: Sequence[Step], enabled: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the enabled steps that each enabled step needs, directly or through steps that are not enabled."""
    by_name = {step.name: step for step in steps}

    def enabled_needs(name: str) -> set[str]:
        return {found for need in by_name[name].needs for found in ({need} if need in enabled else enabled_needs(need))}

    return {step.name: tuple(sorted(enabled_needs(step.name))) for step in steps if step.name in enabled}


def update(
    jobs: Mapping[str, JobStatus], change: Change, owner_uids: Mapping[str, str], planned: Collection[str]
) -> dict[str, JobStatus]:
    """Return the known Jobs after a change. `owner_uids`: CronJob to its uid; `planned`: the names of this pipeline's Jobs.

    A Job that was complete stays complete when it is deleted: its work is done. A planned Job that is deleted before that
    was stopped by a person, so it becomes `deleted` and is not launched again.
    """
    reported = {job.name: job for item in change.objects if (job := job_status(item, owner_uids)) is not None}
    if change.kind == "deleted":
        removed, reported = set(reported), {}
    else:
        removed = set(jobs) - set(reported) if change.kind == "listed" else set()
    known = {name: job for name, job in jobs.items() if name not in removed}
    for name in removed & set(jobs):
        if (job := _after_removal(jobs[name], name in planned)) is not None:
            known[name] = job
    for name, job in reported.items():
        known[name] = _after_report(jobs.get(name), job, name in planned)
    return known


def _after_removal(before: JobStatus, planned: bool) -> JobStatus | None:
    if before.state == "complete":
        return before
    return replace(before, state="deleted") if planned and before.state != "terminating" else None


def _after_report(before: JobStatus | None, now: JobStatus, planned: bool) -> JobStatus:
    if before is None:
        return now
    if before.state in ("complete", "deleted"):
        return before
    stopped = planned and now.state == "terminating" and before.state in ("running", "failed")
    return replace(now, state="deleted") if stopped else now


def job_status(job: Json, owner_uids: Mapping[str, str]) -> JobStatus | None:
    """Return the status of a Job of the API, or None if none of these CronJobs owns it."""
    metadata, spec, status = job["metadata"], job["spec"], job.get("status", {})
    owner = owning_cronjob(job)
    if owner is None or owner["name"] not in owner_uids:
        return None
    conditions = true_conditions(job)
    state: State = "running"
    if metadata.get("deletionTimestamp") or owner["uid"] != owner_uids[owner["name"]]:
        state = "terminating"
    elif "Complete" in conditions:
        state = "complete"
    elif "Failed" in conditions:
        state = "failed"
    return JobStatus(
        name=metadata["name"],
        cronjob=owner["name"],
        state=state,
        succeeded=status.get("succeeded", 0),
        indexes=spec.get("completions") or 1,
        failed_pods=status.get("failed", 0),
        ready_pods=status.get("ready") or 0,
        suspended=bool(spec.get("suspend")),
        seconds=_duration(status),
    )


def owning_cronjob(job: Json) -> Json | None:
    """Return the owner reference of a Job that names a CronJob, or None."""
    owners: tuple[Json, ...] = tuple(job["metadata"].get("ownerReferences") or ())
    return next((owner for owner in owners if owner["kind"] == "CronJob"), None)


def _duration(status: Json) -> float:
    """Return the seconds from start to completion, or 0 before that."""
    start, end = status.get("startTime"), status.get("completionTime")
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() if start and end else 0.0
