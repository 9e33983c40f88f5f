"""Pipelines as processes of their own, and what they said."""

import json
import os
import subprocess
import sys
from pathlib import Path

from jobs.pipeline.cluster import JOBS, Cluster, Json


def start_pipeline(
    cluster: Cluster, release: str, output: Path, kubeconfig: Path | None = None, patience_seconds: float = 60
) -> subprocess.Popen[bytes]:
    """A pipeline of a release, its log behind what `output` has already."""
    command = [sys.executable, "-m", "jobs", "pipeline", "--release", release, "--namespace", cluster.namespace]
    command += ["--patience-seconds", str(patience_seconds)]
    environment = os.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
    with output.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment)


def facts(output: Path) -> list[Json]:
    """The lines of a pipeline's log; a line that a kill cut short is none."""
    lines = []
    for line in output.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def launched(output: Path) -> list[str]:
    """The Jobs that a pipeline says it has launched."""
    return [fact["job"] for fact in facts(output) if fact["event"] == "launched"]


def jobs_made(cluster: Cluster) -> dict[str, str]:
    """Names of the Jobs in the namespace, each with its uid."""
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in cluster.list(JOBS, "").items}
