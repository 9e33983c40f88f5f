"""The names of a pipeline's Jobs: a pure function of the templates, of what each step needs, and of the Jobs that exist.

A Job's name ends in a hash of its template, of the run, and of the names of the Jobs that it needs: a step runs again after a
step that it needs has run again. If a Job of another template of the same step is newer, as after a rollback, its result may
have replaced that of the older Job. Then the hash includes the newer one's name, and the step runs again.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence

from jobs.pipeline.cluster import Json
from jobs.pipeline.decision import PlannedStep, owning_cronjob
from jobs.pipeline.launch import TEMPLATE_ANNOTATION, Template

MAX_POD_NAME = 63
"""The longest host name of a pod, JOB-INDEX: the API server rejects an Indexed Job whose last index exceeds it."""

MAX_INDEXES = 100_000
"""The most indexes that an Indexed Job may have: room for the name is kept where their number is not known yet."""


def plan(
    templates: Mapping[str, Template], needs: Mapping[str, Sequence[str]], run: str, jobs: Collection[Json]
) -> list[PlannedStep]:
    """Return the steps with the names of their Jobs. `needs`: the steps that each step needs; `jobs`: as the API lists them."""
    names: dict[str, str] = {}

    def name_of(step: str) -> str:
        if step not in names:
            template = templates[step]
            name = job_name(template, run, [name_of(need) for need in sorted(needs[step])])
            newer = _newer_job(template, name, jobs)
            names[step] = name if newer is None else job_name(template, run, [name, newer])
        return names[step]

    return [PlannedStep(step, templates[step].cronjob, name_of(step), tuple(needs[step])) for step in needs]


def job_name(template: Template, run: str, after: Sequence[str] = ()) -> str:
    """Return `CRONJOB-hash`, with the CronJob's name truncated if the host names of the pods would be too long.

    `after`: the names of the Jobs that it comes after.
    """
    text = json.dumps([template.cronjob, template.fixed, run, *after], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    indexes = MAX_INDEXES if template.by_catalogue else template.indexes
    room = MAX_POD_NAME - len(f"-{digest}-{indexes - 1}")
    return f"{template.cronjob[:room].rstrip('-.')}-{digest}"


def _newer_job(template: Template, name: str, jobs: Collection[Json]) -> str | None:
    """Return the newest Job of another template of this step, if it was created after the Job `name`."""
    created = {job["metadata"]["name"]: str(job["metadata"].get("creationTimestamp", "")) for job in jobs}
    if name not in created:
        return None
    others = [
        job["metadata"]["name"]
        for job in jobs
        if (owner := owning_cronjob(job)) is not None
        and (owner["name"], owner["uid"]) == (template.cronjob, template.uid)
        and job["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION, template.hash) != template.hash
    ]
    newest = max(others, key=lambda other: (created[other], other), default=None)
    return newest if newest is not None and created[newest] > created[name] else None
