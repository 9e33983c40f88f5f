"""Launch the jobs of a release in order, each from its template, and follow them to the end.

Reads the suspended CronJobs RELEASE-STEP; makes a Job of each as soon as those before it are Complete. Steps that do not
need each other run side by side. Killed and started again it finds what it launched. A step that fails ends the pipeline
with the pod's own last words. Try: skuscribe pipeline --release demo --namespace demo
"""

import time
from collections.abc import Mapping
from types import MappingProxyType

from jobs import steps as plan
from jobs.pipeline import termination as last_words
from jobs.pipeline.cluster import JOBS, Cluster, Json
from jobs.pipeline.decision import Decision, SeenJob, Wanted, decide, needs_among, observe
from jobs.pipeline.launch import Template, launch, read_template
from jobs.pipeline.settings import Settings, words
from jobs.pipeline.watch import Change, follow
from jobs.process import log
from jobs.process.errors import ConfigurationError


def run(settings: Settings) -> None:
    """Do it. Errors: `StepFailed` (65, or 78 for a setting); 78 for a template that is not there; 75 without an API server."""
    cluster = Cluster(settings.namespace, settings.patience_seconds)
    enabled = words(settings.steps) or [step.name for step in plan.STEPS]
    log.info("pipeline", release=settings.release, namespace=cluster.namespace, steps=",".join(enabled))
    needs = needs_among(plan.steps(settings.retrieval_share), enabled)
    marks = dict(item.split("=") for item in words(settings.templates))
    Pipeline(cluster, settings.release, needs, settings.run, marks).follow()


class Pipeline:
    """The steps of a release, each with those that it needs, and what is known of their Jobs."""

    def __init__(
        self,
        cluster: Cluster,
        release: str,
        needs: Mapping[str, tuple[str, ...]],
        run: str,
        marks: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._cluster, self._release, self._run, self._needs, self._marks = cluster, release, run, needs, marks
        self._seen: dict[str, SeenJob] = {}
        self._raw: dict[str, Json] = {}
        self._held: Mapping[str, str] = {}
        self._read_templates()

    def follow(self) -> None:
        """Launch what can be launched after each change, until all is Complete."""
        began = time.monotonic()
        for change in follow(self._cluster, JOBS, next(iter(self._templates.values())).labels):
            self._take_in(change)
            if self._act():
                break
        log.info(
            "pipeline complete",
            steps=len(self._wanted),
            seconds=round(time.monotonic() - began, 1),
            api_calls=self._cluster.calls,
        )

    def _read_templates(self) -> None:
        """All templates at once, so that a missing one is found before anything is launched."""
        self._templates = {step: self._read_template(step) for step in self._needs}
        self._wanted = [
            Wanted(step, item.cronjob, item.job, self._needs[step]) for step, item in self._templates.items()
        ]

    def _read_template(self, step: str) -> Template:
        return read_template(self._cluster, self._release, step, self._run, self._marks.get(step, ""))

    def _take_in(self, change: Change) -> None:
        uids = {item.cronjob: item.uid for item in self._templates.values()}
        before = self._seen
        self._seen = observe(before, change, uids, {item.job for item in self._wanted})
        self._raw |= {item["metadata"]["name"]: item for item in change.items}
        for item in self._wanted:
            _tell(item.step, before.get(item.job), self._seen.get(item.job))

    def _act(self) -> bool:
        """Launch all that is ready now. Returns whether the pipeline is complete."""
        while True:
            decision = decide(self._wanted, self._seen)
            self._tell_held(decision)
            if decision.ended:
                raise self._failure(decision.ended[0])
            if not decision.launch:
                return decision.complete
            for step in decision.launch:
                if not self._launch(step):
                    break

    def _launch(self, step: str) -> bool:
        """Make a step's Job. False where its template has changed since: then all are read again, to decide anew."""
        planned = self._templates[step]
        template = self._read_template(step)
        if (template.job, template.uid) != (planned.job, planned.uid):
            log.info("templates have changed", step=step, cronjob=template.cronjob)
            self._read_templates()
            return False
        job, made = launch(self._cluster, template)
        log.info("launched" if made else "found", step=step, job=template.job, indexes=template.indexes)
        self._take_in(Change("changed", (job,)))
        if template.job not in self._seen:
            raise ConfigurationError(
                f"Job {template.job} in namespace {self._cluster.namespace} was not made from CronJob "
                f"{template.cronjob}: remove it, for the pipeline needs the name"
            )
        return True

    def _tell_held(self, decision: Decision) -> None:
        for step, job in decision.held.items():
            if self._held.get(step) != job:
                remedy = (
                    f"it goes on when that has ended; `kubectl -n {self._cluster.namespace} delete job {job}` ends it"
                )
                log.info("held back by another Job of this step", step=step, job=job, remedy=remedy)
        self._held = decision.held

    def _failure(self, step: str) -> last_words.StepFailed:
        """The last words of a step that failed, and the command that goes on."""
        template = self._templates[step]
        if self._seen[template.job].state == "deleted":
            return last_words.StepFailed(
                f"step {step}: Job {template.job} was deleted before it was Complete. {self._next(template, False)}",
                None,
            )
        job = self._raw[template.job]
        pod = last_words.culprit(job, last_words.failed_pods(self._cluster, template.job))
        if pod is not None:
            log.info("failed", step=step, job=template.job, pod=pod.name, index=pod.index, exit_code=pod.exit_code)
        text = last_words.sentence(step, job, pod)
        return last_words.StepFailed(f"{text} {self._next(template, True)}", pod)

    def _next(self, template: Template, standing: bool) -> str:
        """What to do: mend it, remove what stands in the way, and let `helm upgrade` start the pipeline again."""
        own = [
            name
            for name, job in self._raw.items()
            if job["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "pipeline"
        ]
        others = [item.job for item in self._wanted if (seen := self._seen.get(item.job)) and seen.state == "running"]
        going_on = f" Still running: {', '.join(others)}." if others else ""
        remove = " ".join([*([template.job] if standing else []), *own]) or f"{self._release}-pipeline-..."
        return (
            f"Mend that; then `kubectl -n {self._cluster.namespace} delete job {remove}` and `helm upgrade` start it again, "
            f"and what is done stays done.{going_on}"
        )


def _tell(step: str, before: SeenJob | None, now: SeenJob | None) -> None:
    """Say what is new about a step's Job."""
    if now is None or now == before:
        return
    if now.state == "complete":
        if before is None or before.state != "complete":
            event = "found complete" if before is None else "complete"
            log.info(event, step=step, job=now.name, indexes=now.indexes, seconds=round(now.seconds))
    elif now.state == "running":
        if before is None or (now.succeeded, now.failed_pods, now.suspended) != (
            before.succeeded,
            before.failed_pods,
            before.suspended,
        ):
            state = "suspended" if now.suspended else "running"
            log.info(state, step=step, job=now.name, done=now.succeeded, of=now.indexes, failed_pods=now.failed_pods)
    elif now.state == "leaving":
        log.info("waiting for a Job that is being deleted", step=step, job=now.name)
