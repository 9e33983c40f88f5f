"""Pipelines as processes, and their logs."""

import json
import os
import subprocess
import sys
from pathlib import Path

from jobs.pipeline.cluster import JOBS, Cluster, Json

from .waiting import wait_until


def start_pipeline(
    cluster: Cluster, release: str, output: Path, kubeconfig: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start the pipeline of a release. Its log is appended to `output`."""
    command = [sys.executable, "-m", "jobs", "pipeline", "--release", release, "--namespace", cluster.namespace]
    environment = os.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
    with output.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment)


def log_records(output: Path) -> list[Json]:
    """Return the records of a pipeline's log. A line that a kill has truncated is left out."""
    records = []
    for line in output.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def launched(output: Path) -> list[str]:
    """Return the Jobs that a pipeline has launched, from its log."""
    return [record["job"] for record in log_records(output) if record["event"] == "job launched"]


def wait_until_launched(process: subprocess.Popen[bytes], output: Path) -> None:
    """Wait until a running pipeline has launched its first Job."""

    def launched_or_ended() -> bool:
        assert process.poll() is None, output.read_text()
        return bool(launched(output))

    wait_until(launched_or_ended, "the pipeline launches a Job")


def job_uids(cluster: Cluster) -> dict[str, str]:
    """Return the uid of each Job in the namespace, by name."""
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in cluster.list(JOBS, "").items}
