"""Jobs from their templates: the suspended CronJobs that the chart keeps, one for each step.

Creating a Job again finds the existing one, because its name says what it does (`plan`).
"""

import copy
import hashlib
import json
from dataclasses import dataclass

from jobs.pipeline.backoff import Backoff
from jobs.pipeline.cluster import CRONJOBS, INSTANCE_LABEL, JOBS, NAME_LABEL, Cluster, Json
from jobs.process.errors import ConfigurationError, NotReadyError

TEMPLATE_ANNOTATION = "skuscribe/template"
"""The annotation of a CronJob, and of each Job made from it, that holds the hash of the template."""

COMPLETIONS_ANNOTATION, BY_CATALOGUE = "skuscribe/completions", "catalogue"
"""The annotation of a CronJob whose number of indexes follows from the catalogue. Its own number is for Jobs made by hand."""

TEMPLATE_SECONDS = 60.0
"""How long to wait for the CronJobs of this revision: Helm creates the pipeline's Job before them."""

SELECTOR_LABELS = (NAME_LABEL, INSTANCE_LABEL)


@dataclass(frozen=True)
class Template:
    """The template of a step's Job. `selector`: a label selector for the release; `by_catalogue`: see COMPLETIONS_ANNOTATION."""

    step: str
    cronjob: str
    uid: str
    selector: str
    content: Json
    by_catalogue: bool = False

    @property
    def indexes(self) -> int:
        """The number of indexes of the Job."""
        return int(self.content["spec"].get("completions") or 1)

    @property
    def fixed(self) -> Json:
        """What the name of a Job depends on: the template without what the pipeline sets itself."""
        fixed = copy.deepcopy(self.content)
        fixed["spec"].pop("ttlSecondsAfterFinished", None)
        fixed.get("metadata", {}).get("annotations", {}).pop(TEMPLATE_ANNOTATION, None)  # it depends on them
        if self.by_catalogue:
            fixed["spec"].pop("completions", None)
        return fixed

    @property
    def hash(self) -> str:
        """The hash that distinguishes Jobs of different templates: the chart's, if the template has one."""
        own = hashlib.sha256(json.dumps(self.fixed, sort_keys=True).encode()).hexdigest()[:16]
        return str(self.content.get("metadata", {}).get("annotations", {}).get(TEMPLATE_ANNOTATION, own))


def read_template(cluster: Cluster, release: str, step: str, template_hash: str = "") -> Template:
    """Return the template of a step. With a `template_hash`, wait for the CronJob that has it.

    Errors: `ConfigurationError` (78) if there is no such CronJob or it lacks a label; `NotReadyError` (75) if the one with
    this hash does not appear.
    """
    name, backoff = f"{release}-{step}", Backoff(TEMPLATE_SECONDS)
    while True:
        cronjob = cluster.read(CRONJOBS, name)
        if cronjob is not None and template_hash in ("", cronjob["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)):  # fmt: skip
            return template_of(cronjob, step)
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


def template_of(cronjob: Json, step: str) -> Template:
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
    by_catalogue = cronjob["metadata"].get("annotations", {}).get(COMPLETIONS_ANNOTATION) == BY_CATALOGUE
    return Template(step, name, cronjob["metadata"]["uid"], selector, content, by_catalogue)


def launch(cluster: Cluster, template: Template, name: str, indexes: int | None) -> tuple[Json, bool]:
    """Create the Job of a template, or find it by its name. Returns the Job and whether this call created it."""
    created = cluster.create(JOBS, job_of(template, name, indexes))
    if created is not None:
        return created, True
    existing = cluster.read(JOBS, name)
    return (existing, False) if existing is not None else launch(cluster, template, name, indexes)


def job_of(template: Template, name: str, indexes: int | None = None) -> Json:
    """Return the Job that `kubectl create job NAME --from=cronjob/...` would create, with this number of indexes.

    Differences: its CronJob owns it, so that `helm uninstall` removes it, but does not control it, because the CronJob's
    limits of its history are for Jobs that were started by a schedule or by hand. For the same reason it has no time to live:
    the pipeline finds its finished Jobs.
    """
    metadata = template.content.get("metadata", {})
    spec = {key: value for key, value in template.content["spec"].items() if key != "ttlSecondsAfterFinished"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": metadata.get("labels", {}),
            "annotations": {
                **metadata.get("annotations", {}),
                TEMPLATE_ANNOTATION: template.hash,
                "cronjob.kubernetes.io/instantiate": "manual",
            },
            # blockOwnerDeletion would need another permission.
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "CronJob", "name": template.cronjob, "uid": template.uid}
            ],
        },
        "spec": spec | ({} if indexes is None else {"completions": indexes}),
    }
