"""What a pipeline does next: a pure function of the Jobs that it sees.

A step is launched when all that it needs is Complete, and no other Job of the same step still runs (one that an earlier
template, a schedule or a person made: two would train the same shards twice).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from jobs.pipeline.cluster import Json
from jobs.pipeline.watch import Change
from jobs.steps import Step

State = Literal["running", "complete", "failed", "leaving", "deleted"]


@dataclass(frozen=True)
class SeenJob:
    """A Job as the cluster last told of it.

    `leaving`: it is being deleted, or its CronJob is gone and it will be. `deleted`: it went before it was Complete.
    """

    name: str
    cronjob: str
    state: State
    succeeded: int = 0
    indexes: int = 1
    failed_pods: int = 0
    suspended: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """A step of this pipeline: the Job it is to be, and the steps before it."""

    step: str
    cronjob: str
    job: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """`launch`: these steps, now. `ended`: steps whose Job failed or was deleted. `held`: step to the Job it waits for."""

    launch: tuple[str, ...]
    ended: tuple[str, ...]
    held: Mapping[str, str]
    complete: bool


def decide(wanted: Sequence[Wanted], seen: Mapping[str, SeenJob]) -> Decision:
    """What to do, given the Jobs by name."""
    state = {item.step: seen[item.job].state for item in wanted if item.job in seen}
    complete = {step for step, now in state.items() if now == "complete"}
    ended = tuple(item.step for item in wanted if state.get(item.step) in ("failed", "deleted"))
    ready = [item for item in wanted if item.step not in state and complete.issuperset(item.needs)]
    leaving = {item.step: item.job for item in wanted if state.get(item.step) == "leaving"}
    held = leaving | {item.step: other for item in ready if (other := _other_at_work(item, seen)) is not None}
    launch = () if ended else tuple(item.step for item in ready if item.step not in held)
    return Decision(launch, ended, held, len(complete) == len(wanted))


def needs_among(steps: Sequence[Step], enabled: Collection[str]) -> dict[str, tuple[str, ...]]:
    """For each enabled step the enabled steps that it needs, found through those that are not enabled."""
    by_name = {step.name: step for step in steps}

    def before(name: str) -> set[str]:
        return {found for need in by_name[name].needs for found in ({need} if need in enabled else before(need))}

    return {step.name: tuple(sorted(before(step.name))) for step in steps if step.name in enabled}


def seen_job(job: Json, owner_uids: Mapping[str, str]) -> SeenJob | None:
    """A Job of the API as we see it; None for one that no CronJob of these owns. `owner_uids`: CronJob to its uid."""
    metadata, spec, status = job["metadata"], job["spec"], job.get("status", {})
    owner = next((item for item in metadata.get("ownerReferences", ()) if item.get("controller")), None)
    if owner is None or owner["kind"] != "CronJob" or owner["name"] not in owner_uids:
        return None
    conditions = {item["type"] for item in status.get("conditions", ()) if item["status"] == "True"}
    state: State = "running"
    if metadata.get("deletionTimestamp") or owner["uid"] != owner_uids[owner["name"]]:
        state = "leaving"
    elif "Complete" in conditions:
        state = "complete"
    elif "Failed" in conditions:
        state = "failed"
    return SeenJob(
        metadata["name"],
        owner["name"],
        state,
        status.get("succeeded", 0),
        spec.get("completions") or 1,
        status.get("failed", 0),
        bool(spec.get("suspend")),
        _seconds(status),
    )


def observe(
    seen: Mapping[str, SeenJob], change: Change, owner_uids: Mapping[str, str], wanted: Collection[str]
) -> dict[str, SeenJob]:
    """What is known after a change. `wanted`: the names of the Jobs of this pipeline.

    What was Complete once stays so here, whoever removes the Job: its work is done. A wanted Job that is removed before
    was stopped by somebody, who does not want it started again behind his back.
    """
    found = {job.name: job for item in change.items if (job := seen_job(item, owner_uids)) is not None}
    if change.kind == "deleted":
        gone, found = set(found), {}
    else:
        gone = set(seen) - set(found) if change.kind == "listed" else set()
    known = {name: job for name, job in seen.items() if name not in gone}
    for name in gone & set(seen):
        before = seen[name]
        if before.state == "complete":
            known[name] = before
        elif name in wanted and before.state != "leaving":
            known[name] = replace(before, state="deleted")
    for name, job in found.items():
        was = seen[name].state if name in seen else None
        if was == "complete" or was == "deleted":
            continue
        stopped = job.state == "leaving" and was in ("running", "failed") and name in wanted
        known[name] = replace(job, state="deleted") if stopped else job
    return known


def _other_at_work(item: Wanted, seen: Mapping[str, SeenJob]) -> str | None:
    """Another Job of the same step that still runs."""
    return next(
        (
            job.name
            for job in seen.values()
            if job.cronjob == item.cronjob and job.name != item.job and job.state in ("running", "leaving")
        ),
        None,
    )


def _seconds(status: Json) -> float:
    if not (status.get("startTime") and status.get("completionTime")):
        return 0.0
    return (
        datetime.fromisoformat(status["completionTime"]) - datetime.fromisoformat(status["startTime"])
    ).total_seconds()
