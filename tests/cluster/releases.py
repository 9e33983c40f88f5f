"""A release on simulated nodes: the chart's own templates, or small ones that a test can bend as it likes."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jobs import steps as plan
from jobs.pipeline.cluster import CRONJOBS, Cluster, Json

from . import simulation

CHART = Path(__file__).parents[2] / "charts" / "skuscribe"
NEEDED = {
    "store": {"url": "s3://bucket"},
    "postgres": {"host": "database", "existingSecret": "password"},
    "prepare": {"settings": {"input": "s3://bucket/rows.jsonl.gz"}},
    "serviceAccount": {"create": False},  # only the CronJobs are made here
}
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


def make_release_of_chart(cluster: Cluster, release: str, values: Json, at_a_time: int = 1) -> None:
    """Create the CronJobs that the chart renders with these values, to run on simulated nodes.

    The chart trains one shard at a time; `at_a_time` bends that, for a test that has no time for 1,000 one by one.
    """
    where: Json = simulation.placement(gpu=False)
    pod = {"nodeSelector": where["nodeSelector"], "tolerations": where["tolerations"]}
    program = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm") or "helm"
    command = [program, "template", release, str(CHART), "--namespace", cluster.namespace, "--values", "-"]
    text = yaml.safe_dump(NEEDED | {"pod": pod} | values)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for item in yaml.safe_load_all(done.stdout):
        if item and item["kind"] == "CronJob":
            if item["metadata"]["name"] == f"{release}-train":
                item["spec"]["jobTemplate"]["spec"]["parallelism"] = at_a_time
            cluster.create(CRONJOBS, item)


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
