"""Releases on simulated nodes: with the templates of the chart, or with small ones that a test can change."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jobs.pipeline.cluster import CRONJOBS, Cluster, Json
from jobs.pipeline.launch import COMPLETIONS_ANNOTATION
from jobs.steps import STEPS, by_name

from . import simulation

CHART = Path(__file__).parents[2] / "charts" / "skuscribe"
REQUIRED_VALUES = {
    "store": {"url": "s3://bucket"},
    "postgres": {"host": "database", "existingSecret": "password"},
    "prepare": {"settings": {"input": "s3://bucket/rows.jsonl.gz"}},
    "serviceAccount": {"create": False},  # only the CronJobs are created
}
GPU_STEPS = ("train", "evaluate", "describe")

POD_FAILURE_RULES: list[dict[str, Any]] = [
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 78]}},
]


@dataclass(frozen=True)
class StepSpec:
    """A step's number of indexes, its parallelism, the retries of each index, and how its simulated pods end."""

    indexes: int = 1
    parallelism: int = 1
    retries: int = 1
    simulated: Mapping[str, str] = field(default_factory=dict)


def create_release_of_chart(cluster: Cluster, release: str, values: Json, train_parallelism: int = 1) -> None:
    """Create the CronJobs that the chart renders with these values, on simulated nodes.

    The chart trains one shard at a time; `train_parallelism` raises that, because 300 shards one by one take too long. The
    number of shards is the value `shards`, because these releases have no catalogue.
    """
    placement: Json = simulation.placement(gpu=False)
    pod = {"nodeSelector": placement["nodeSelector"], "tolerations": placement["tolerations"]}
    program = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm") or "helm"
    command = [program, "template", release, str(CHART), "--namespace", cluster.namespace, "--values", "-"]
    text = yaml.safe_dump(REQUIRED_VALUES | {"pod": pod} | values)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for item in yaml.safe_load_all(done.stdout):
        if item and item["kind"] == "CronJob":
            if item["metadata"]["name"] == f"{release}-train":
                item["spec"]["jobTemplate"]["spec"]["parallelism"] = train_parallelism
            item["metadata"]["annotations"].pop(COMPLETIONS_ANNOTATION, None)
            cluster.create(CRONJOBS, item)


def create_release(cluster: Cluster, release: str, specs: Mapping[str, StepSpec], steps: tuple[str, ...] = ()) -> None:
    """Create the CronJobs of these steps (default: all), each with its spec or the default one."""
    for step in steps or [step.name for step in STEPS]:
        cluster.create(CRONJOBS, cronjob(release, step, specs.get(step, StepSpec())))


def cronjob(release: str, step: str, spec: StepSpec) -> dict[str, Any]:
    """Return the CronJob of a step."""
    labels = {
        "app.kubernetes.io/name": "skuscribe",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": step,
    }
    indexed = by_name(step).indexed_by is not None
    annotations = {f"simulated/{name}": value for name, value in spec.simulated.items()}
    bad_input = {"operator": "In", "values": [65]}
    rules = [*POD_FAILURE_RULES, {"action": "FailIndex" if indexed else "FailJob", "onExitCodes": bad_input}]
    job_spec: dict[str, Any] = {
        "podFailurePolicy": {"rules": rules},
        "podReplacementPolicy": "Failed",
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"restartPolicy": "Never", **simulation.placement(step in GPU_STEPS, step)},
        },
    }
    if indexed:
        job_spec |= {"completionMode": "Indexed", "completions": spec.indexes, "parallelism": spec.parallelism}
        job_spec |= {"backoffLimitPerIndex": spec.retries, "maxFailedIndexes": 0}
    else:
        job_spec |= {"backoffLimit": spec.retries}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"{release}-{step}", "labels": labels},
        "spec": {
            "schedule": "0 0 31 2 *",
            "suspend": True,
            "successfulJobsHistoryLimit": 100,
            "failedJobsHistoryLimit": 100,
            "jobTemplate": {"metadata": {"labels": labels}, "spec": job_spec},
        },
    }
