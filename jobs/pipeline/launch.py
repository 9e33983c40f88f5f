"""Jobs from their templates: the suspended CronJobs that the chart keeps, one for each step.

A Job's name ends in a hash of the template and the run. Creating it again finds the existing Job, an upgrade that changes
nothing creates nothing, and a changed template gets a new Job.
"""

import hashlib
import json
from dataclasses import dataclass

from jobs.pipeline.backoff import Backoff
from jobs.pipeline.cluster import CRONJOBS, JOBS, Cluster, Json
from jobs.process.errors import ConfigurationError, NotReadyError

MAX_POD_NAME = 63
"""The longest host name of a pod, JOB-INDEX: the API server rejects an Indexed Job whose last index exceeds it."""

TEMPLATE_ANNOTATION = "skuscribe/template"
"""The annotation of a CronJob that holds the hash of its template."""

TEMPLATE_SECONDS = 60.0
"""How long to wait for the CronJobs of this revision: Helm creates the pipeline's Job before them."""

SELECTOR_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/instance")


@dataclass(frozen=True)
class Template:
    """The template of a step's Job, with the name of the Job and a label selector for the release."""

    step: str
    cronjob: str
    uid: str
    job: str
    selector: str
    content: Json

    @property
    def indexes(self) -> int:
        """The number of indexes of the Job."""
        return int(self.content["spec"].get("completions") or 1)


def read_template(cluster: Cluster, release: str, step: str, run: str, template_hash: str = "") -> Template:
    """Return the template of a step. With a `template_hash`, wait for the CronJob that has it.

    Errors: `ConfigurationError` (78) if there is no such CronJob or it lacks a label; `NotReadyError` (75) if the one with
    this hash does not appear.
    """
    name, backoff = f"{release}-{step}", Backoff(TEMPLATE_SECONDS)
    while True:
        cronjob = cluster.read(CRONJOBS, name)
        if cronjob is not None and template_hash in ("", cronjob["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)):  # fmt: skip
            return template_of(cronjob, step, run)
        if not template_hash:
            raise ConfigurationError(
                f"there is no CronJob {name} in namespace {cluster.namespace} for step {step}: set SKUSCRIBE_STEPS to the "
                f"steps that release {release} has, or upgrade the release"
            )
        backoff.wait(
            NotReadyError(
                f"CronJob {name} in namespace {cluster.namespace} is not the one of this revision (annotation "
                f"{TEMPLATE_ANNOTATION}: {template_hash}): check that the install or upgrade succeeded, then run "
                "`helm upgrade` again"
            )
        )


def template_of(cronjob: Json, step: str, run: str) -> Template:
    """Return the template of a CronJob."""
    name, content = cronjob["metadata"]["name"], cronjob["spec"]["jobTemplate"]
    labels = content.get("metadata", {}).get("labels", {})
    missing = [label for label in SELECTOR_LABELS if label not in labels]
    if missing:
        raise ConfigurationError(
            f"the jobTemplate of CronJob {name} lacks the label {' and '.join(missing)}, which selects the Jobs of the "
            "release: install it with the chart"
        )
    selector = ",".join(f"{label}={labels[label]}" for label in SELECTOR_LABELS)
    return Template(step, name, cronjob["metadata"]["uid"], job_name(name, content, run), selector, content)


def job_name(cronjob: str, content: Json, run: str) -> str:
    """Return `CRONJOB-hash`, with the CronJob's name truncated if the host names of the pods would be too long."""
    text = json.dumps([cronjob, content, run], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    indexes = content["spec"].get("completions") or 1
    room = MAX_POD_NAME - len(f"-{digest}-{indexes - 1}")
    return f"{cronjob[:room].rstrip('-.')}-{digest}"


def launch(cluster: Cluster, template: Template) -> tuple[Json, bool]:
    """Create the Job of a template, or find it by its name. Returns the Job and whether this call created it."""
    created = cluster.create(JOBS, job_of(template))
    if created is not None:
        return created, True
    existing = cluster.read(JOBS, template.job)
    return (existing, False) if existing is not None else launch(cluster, template)


def job_of(template: Template) -> Json:
    """Return the Job that `kubectl create job --from=cronjob/...` would create, with the name of the template."""
    metadata = template.content.get("metadata", {})
    # Its owner is the CronJob, so that `helm uninstall` removes it. blockOwnerDeletion would need another permission.
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": template.cronjob, "uid": template.uid}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": template.job,
            "labels": metadata.get("labels", {}),
            "annotations": {**metadata.get("annotations", {}), "cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": template.content["spec"],
    }
