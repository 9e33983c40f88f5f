"""A release as the chart would leave it: one suspended CronJob a step, on simulated nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs import plan
from jobs.cluster import CRONJOBS, Cluster

from . import simulation

GPU_STEPS = ("train", "evaluate", "describe")

POD_FAILURE_RULES: list[dict[str, Any]] = [
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 78]}},
]


@dataclass(frozen=True)
class Part:
    """How a step is to go: its indexes, how many at a time, retries of each, and how its pods pretend."""

    indexes: int = 1
    at_a_time: int = 1
    retries: int = 1
    pretend: Mapping[str, str] = field(default_factory=dict)


def make_release(cluster: Cluster, release: str, parts: Mapping[str, Part], steps: tuple[str, ...] = ()) -> None:
    """Create the templates of these steps (default: all)."""
    for step in steps or [step.name for step in plan.STEPS]:
        cluster.create(CRONJOBS, cronjob(release, step, parts.get(step, Part())))


def cronjob(release: str, step: str, part: Part) -> dict[str, Any]:
    """The template of a step."""
    labels = {
        "app.kubernetes.io/name": "skuscribe",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": step,
    }
    indexed = next(item for item in plan.STEPS if item.name == step).parts != "one"
    annotations = {f"simulated/{name}": value for name, value in part.pretend.items()}
    bad_input = {"operator": "In", "values": [65]}
    rules = [*POD_FAILURE_RULES, {"action": "FailIndex" if indexed else "FailJob", "onExitCodes": bad_input}]
    spec: dict[str, Any] = {
        "podFailurePolicy": {"rules": rules},
        "podReplacementPolicy": "Failed",
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"restartPolicy": "Never", **simulation.placement(gpu=step in GPU_STEPS)},
        },
    }
    if indexed:
        spec |= {"completionMode": "Indexed", "completions": part.indexes, "parallelism": part.at_a_time}
        spec |= {"backoffLimitPerIndex": part.retries, "maxFailedIndexes": 0}
    else:
        spec |= {"backoffLimit": part.retries}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"{release}-{step}", "labels": labels},
        "spec": {
            "schedule": "0 0 31 2 *",
            "suspend": True,
            "successfulJobsHistoryLimit": 100,
            "failedJobsHistoryLimit": 100,
            "jobTemplate": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
