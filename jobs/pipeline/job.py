"""The job `pipeline`: creates the Jobs of a release from its CronJobs in order, and follows them until all are complete."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from jobs import steps
from jobs.pipeline import services, step_settings
from jobs.pipeline.cluster import COMPONENT_LABEL, JOBS, PIPELINE, Cluster, Json, label
from jobs.pipeline.decision import JobStatus, PlannedStep, decide, needs_of, update
from jobs.pipeline.inspection import Inspector
from jobs.pipeline.launch import Template, launch, read_template
from jobs.pipeline.plan import plan
from jobs.pipeline.settings import Settings, words
from jobs.pipeline.termination import (
    FailedPod,
    StepFailed,
    failed_pods,
    failing_pod,
    failure_message,
    pod_end,
    step_failure,
)
from jobs.pipeline.watch import Change, changes, with_pauses
from jobs.process import log
from jobs.process.errors import ConfigurationError
from jobs.storage import artifact, layout
from jobs.storage.layout import Kind
from jobs.storage.store import Store

CHECK_SECONDS = 30.0
"""How often a Job without a running pod, or without progress, is checked."""


def run(settings: Settings) -> None:
    """Run the pipeline.

    Errors: `StepFailed` (65, or 78 for a wrong setting of the step); `ConfigurationError` (78) for a missing template, a wrong
    setting of a step that shows before it starts, or a missing permission; `NotReadyError` (75) without an API server, a catalogue or the services to wait for.
    """
    cluster = Cluster(settings.namespace)
    enabled = words(settings.steps) or [step.name for step in steps.STEPS]
    log.info("pipeline started", release=settings.release, namespace=cluster.namespace, steps=",".join(enabled))
    services.wait_for(words(settings.wait_for))
    release = Release(
        name=settings.release,
        needs=needs_of(steps.steps(settings.retrieval_share), enabled),
        run=settings.run,
        template_hashes=dict(entry.split("=") for entry in words(settings.templates)),
        max_shards=settings.max_shards,
        shards_at_once=settings.shards_at_once,
        max_disruptions=settings.max_disruptions,
    )
    Pipeline(cluster, release, lambda: _shards(settings.store, settings.catalogue)).run()


def _shards(store: str, catalogue: str) -> int:
    """Return the number of shards of a catalogue, from its manifest."""
    path = layout.catalogue_path(catalogue)
    found = artifact.require(Store(store), path, Kind.CATALOGUE, f"prepare --catalogue {catalogue}")
    return len(found.names(layout.SHARD_PREFIX))


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release to run.

    `name`: the prefix of its CronJobs' names. `needs`: its steps with those that each needs. `template_hashes`: that of each
    step's CronJob in this revision, if it is known. At most `max_shards` shards are trained, `shards_at_once` at the same
    time. After `max_disruptions` disrupted pods in a row without one that succeeds, a step is stopped.
    """

    name: str
    needs: Mapping[str, tuple[str, ...]]
    run: str
    template_hashes: Mapping[str, str]
    max_shards: int | None
    shards_at_once: int = 1
    max_disruptions: int


class Pipeline:
    """The steps of a release, and the last known status of their Jobs.

    `shards()` returns the number of shards of the catalogue.
    """

    def __init__(self, cluster: Cluster, release: Release, shards: Callable[[], int]) -> None:
        self._cluster, self._release, self._shards = cluster, release, shards
        self._jobs: dict[str, JobStatus] = {}
        self._objects: dict[str, Json] = {}
        self._steps: list[PlannedStep] = []
        self._blocked: Mapping[str, str] = {}
        self._inspector = Inspector(cluster)
        self._templates = self._read_templates()
        step_settings.check(self._templates.values())

    def run(self) -> None:
        """Launch what is ready after each change, until all steps are complete."""
        started = time.monotonic()
        selector = next(iter(self._templates.values())).selector
        for change in with_pauses(changes(self._cluster, selector), CHECK_SECONDS):
            if change is None:
                self._check_running()
                continue
            self._update(self._with_existing(change) if change.kind == "listed" else change)
            if self._launch_ready():
                break
        log.info("pipeline complete", steps=len(self._steps), seconds=round(time.monotonic() - started, 1))

    def _read_templates(self) -> dict[str, Template]:
        """Read all templates, so that a missing one is found before anything is launched."""
        return {step: self._read_template(step) for step in self._release.needs}

    def _read_template(self, step: str) -> Template:
        return read_template(self._cluster, self._release.name, step, self._release.template_hashes.get(step, ""))

    def _with_existing(self, listed: Change) -> Change:
        """Return a listing with the running Jobs that it lacks but that exist: it may be older than their launch."""
        names = {job["metadata"]["name"] for job in listed.objects}
        lacking = [name for name, status in self._jobs.items() if status.state == "running" and name not in names]
        existing = [job for name in lacking if (job := self._cluster.read(JOBS, name)) is not None]
        return replace(listed, objects=(*listed.objects, *existing))

    def _update(self, change: Change) -> None:
        owner_uids = {template.cronjob: template.uid for template in self._templates.values()}
        before = self._jobs
        self._objects |= {job["metadata"]["name"]: job for job in change.objects}
        if not self._steps:
            self._steps = self._plan()
        self._jobs = update(before, change, owner_uids, {step.job for step in self._steps})
        for step in self._steps:
            _log_progress(step.name, before.get(step.job), self._jobs.get(step.job))

    def _plan(self) -> list[PlannedStep]:
        return plan(self._templates, self._release.needs, self._release.run, self._objects.values())

    def _launch_ready(self) -> bool:
        """Launch every step that is ready. Returns whether the pipeline is complete."""
        while True:
            decision = decide(self._steps, self._jobs)
            self._log_blocked(decision.blocked)
            if decision.failed:
                raise self._failure(decision.failed[0])
            if not decision.launch:
                return decision.complete
            for step in decision.launch:
                if not self._launch(step):
                    break

    def _launch(self, step: str) -> bool:
        """Create a step's Job. Returns False if its template has changed: all are read again, and the decision repeated."""
        planned, template = self._templates[step], self._read_template(step)
        if (template.fixed, template.uid) != (planned.fixed, planned.uid):
            log.info("template changed", step=step, cronjob=template.cronjob)
            self._templates = self._read_templates()
            self._steps = self._plan()
            return False
        name = self._job_of(step)
        indexes = self._indexes(step) if template.by_catalogue else None
        job, created = launch(self._cluster, template, name, indexes)
        event = "job launched" if created else "job already exists"
        log.info(event, step=step, job=name, indexes=job["spec"].get("completions") or 1)
        self._update(Change("changed", (job,)))
        if name not in self._jobs:
            raise ConfigurationError(
                f"Job {name} in namespace {self._cluster.namespace} was not created from CronJob "
                f"{template.cronjob}, and the pipeline needs its name: delete it"
            )
        return True

    def _job_of(self, step: str) -> str:
        return next(planned.job for planned in self._steps if planned.name == step)

    def _indexes(self, step: str) -> int | None:
        """Return the number of indexes of a step's Job for the catalogue as it is now."""
        shards, max_shards, at_once = self._shards(), self._release.max_shards, self._release.shards_at_once
        if max_shards is not None and max_shards > shards:
            log.warning("fewer shards than the limit", step=step, shards=shards, max_shards=max_shards)
        return steps.by_name(step).indexes(shards, max_shards, at_once)

    def _check_running(self) -> None:
        """Log why a Job has no running pod. Errors: `StepFailed` if its pods are disrupted repeatedly."""
        for step in self._steps:
            status = self._jobs.get(step.job)
            if status is not None and status.state == "running":
                disrupted = self._inspector.inspect(step.name, status, self._objects[step.job])
                if len(disrupted) >= self._release.max_disruptions:
                    raise self._disrupted(step, disrupted)

    def _log_blocked(self, blocked: Mapping[str, str]) -> None:
        for step, job in blocked.items():
            if self._blocked.get(step) != job:
                hint = f"the step starts when that Job ends; `kubectl -n {self._cluster.namespace} delete job {job}` ends it"
                log.info("blocked by another job of this step", step=step, job=job, hint=hint)
        self._blocked = blocked

    def _disrupted(self, step: PlannedStep, pods: list[FailedPod]) -> StepFailed:
        """Suspend a Job whose pods are disrupted repeatedly. Returns the error with the last disruption."""
        self._cluster.patch(JOBS, step.job, {"spec": {"suspend": True}})
        message = (
            f"step {step.name}: {len(pods)} pods in a row were disrupted before one succeeded, the latest "
            f"{pod_end(pods[0])}. Job {step.job} is suspended"
        )
        return step_failure(f"{message}. {self._advice(obstacles=[step.job])}", None)

    def _failure(self, step: str) -> StepFailed:
        """Return the error that names the failed Job, its termination message, and how to start the pipeline again."""
        name = self._job_of(step)
        if self._jobs[name].state == "deleted":
            message = f"step {step}: Job {name} was deleted before it was complete"
            return step_failure(f"{message}. {self._advice(obstacles=[])}", None)
        job = self._objects[name]
        pod = failing_pod(job, failed_pods(self._cluster, name))
        if pod is not None:
            log.info("job failed", step=step, job=name, pod=pod.name, index=pod.index, exit_code=pod.exit_code)
        message = failure_message(step, job, pod).rstrip(".")
        return step_failure(f"{message}. {self._advice(obstacles=[name])}", pod)

    def _advice(self, obstacles: list[str]) -> str:
        """Return how to start the pipeline again: its own Job and `obstacles` must be deleted first."""
        own = [name for name, job in self._objects.items() if label(job, COMPONENT_LABEL) == PIPELINE]
        running = [
            step.job
            for step in self._steps
            if step.job in self._jobs and self._jobs[step.job].state == "running" and step.job not in obstacles
        ]
        delete = " ".join([*obstacles, *own]) or f"{self._release.name}-pipeline-..."
        still_running = f" Still running: {', '.join(running)}." if running else ""
        return (
            f"Fix the cause, then run `kubectl -n {self._cluster.namespace} delete job {delete}` and `helm upgrade` to start "
            f"the pipeline again; completed work is kept.{still_running}"
        )


def _log_progress(step: str, before: JobStatus | None, now: JobStatus | None) -> None:
    """Log what has changed in the status of a step's Job."""
    if now is None or now == before:
        return
    if now.state == "complete" and (before is None or before.state != "complete"):
        event = "job already complete" if before is None else "job complete"
        log.info(event, step=step, job=now.name, indexes=now.indexes, seconds=round(now.seconds))
    elif now.state == "running" and _progress(now) != _progress(before):
        event = "job suspended" if now.suspended else "job running"
        log.info(event, step=step, job=now.name, done=now.succeeded, of=now.indexes, failed_pods=now.failed_pods)
    elif now.state == "terminating":
        log.info("waiting for a terminating job", step=step, job=now.name)


def _progress(job: JobStatus | None) -> tuple[int, int, bool] | None:
    return None if job is None else (job.succeeded, job.failed_pods, job.suspended)
