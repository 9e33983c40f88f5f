"""A Job from its template: the suspended CronJob that the chart keeps for each step.

The Job's name ends in a hash of the template and the run. So whoever makes it a second time finds it, an upgrade that
changes nothing makes nothing, and a template that changed makes a Job of its own.
"""

import hashlib
import json
from dataclasses import dataclass

from jobs.pipeline.cluster import CRONJOBS, JOBS, Cluster, Json, Patience
from jobs.process.errors import ConfigurationError, NotReadyError

LONGEST_POD_NAME = 63
"""Of a pod's host name, JOB-INDEX: the API server refuses an Indexed Job whose last index makes it longer."""

MARK = "skuscribe/template"
"""The annotation of a CronJob that tells its template from those of other revisions."""

TEMPLATE_SECONDS = 60.0
SELECTED_BY = ("app.kubernetes.io/name", "app.kubernetes.io/instance")


@dataclass(frozen=True)
class Template:
    """The template of one step, and what its Job is to be called."""

    step: str
    cronjob: str
    uid: str
    job: str
    labels: str
    content: Json

    @property
    def indexes(self) -> int:
        """How many parts the Job has."""
        return int(self.content["spec"].get("completions") or 1)


def read_template(cluster: Cluster, release: str, step: str, run: str, mark: str = "") -> Template:
    """The template of a step; with a `mark`, once it is there with that mark, for Helm makes the pipeline before it.

    Errors: `ConfigurationError` (78) where the release has none, or one that can't be followed; `NotReadyError` (75) where
    the one that is marked so does not come.
    """
    name, patience = f"{release}-{step}", Patience(TEMPLATE_SECONDS)
    while True:
        found = cluster.read(CRONJOBS, name)
        if found is not None and mark in ("", found["metadata"].get("annotations", {}).get(MARK)):
            return template_of(found, step, run)
        if not mark:
            raise ConfigurationError(
                f"step {step} is to run, and there is no CronJob {name} in namespace {cluster.namespace}: set "
                f"SKUSCRIBE_STEPS to the steps that release {release} has, or upgrade the release with {step} enabled"
            )
        patience.pause(
            NotReadyError(
                f"CronJob {name} in namespace {cluster.namespace} is not the one of this revision (annotation {MARK}: {mark}): "
                "did the install or the upgrade end well? `helm upgrade` once more puts it there"
            )
        )


def template_of(cronjob: Json, step: str, run: str) -> Template:
    """The template that a CronJob holds."""
    name, content = cronjob["metadata"]["name"], cronjob["spec"]["jobTemplate"]
    labels = content.get("metadata", {}).get("labels", {})
    lacking = [label for label in SELECTED_BY if label not in labels]
    if lacking:
        raise ConfigurationError(
            f"CronJob {name}: its jobTemplate lacks the label {' and '.join(lacking)}, by which the pipeline follows "
            "its Jobs: install the release with the chart, unchanged"
        )
    selector = ",".join(f"{label}={labels[label]}" for label in SELECTED_BY)
    return Template(step, name, cronjob["metadata"]["uid"], job_name(name, content, run), selector, content)


def job_name(cronjob: str, content: Json, run: str) -> str:
    """`CRONJOB-hash8`, the CronJob's name cut where an index behind it would make the pods' names too long."""
    text = json.dumps([cronjob, content, run], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    indexes = content["spec"].get("completions") or 1
    room = LONGEST_POD_NAME - len(f"-{digest}-{indexes - 1}")
    return f"{cronjob[:room].rstrip('-.')}-{digest}"


def job_of(template: Template) -> Json:
    """The Job, as `kubectl create job --from=cronjob/...` would make it, with a name that says what it was made from."""
    metadata = template.content.get("metadata", {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": template.job,
            "labels": metadata.get("labels", {}),
            "annotations": {**metadata.get("annotations", {}), "cronjob.kubernetes.io/instantiate": "manual"},
            # Owned, so that `helm uninstall` takes it along. Not blockOwnerDeletion: that would need one more permission.
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": template.cronjob,
                    "uid": template.uid,
                    "controller": True,
                }
            ],
        },
        "spec": template.content["spec"],
    }


def launch(cluster: Cluster, template: Template) -> tuple[Json, bool]:
    """Make the Job, or find the one of its name. Returns the Job and whether this call made it."""
    made = cluster.create(JOBS, job_of(template))
    if made is not None:
        return made, True
    standing = cluster.read(JOBS, template.job)
    return (standing, False) if standing is not None else launch(cluster, template)
