"""Looks at the pods of Jobs that make no progress: logs why none runs, and counts disruptions in a row."""

from datetime import UTC, datetime

from jobs.pipeline import waiting
from jobs.pipeline.cluster import PODS, Cluster, Json
from jobs.pipeline.decision import JobStatus
from jobs.pipeline.termination import JOB_LABEL, FailedPod, disruptions
from jobs.process import log


class Inspector:
    """Remembers what it has seen of each Job, so that a Job that progresses costs no request, and a reason is logged once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[str, tuple[int, int, str]] = {}
        self._reasons: dict[str, str] = {}

    def inspect(self, step: str, status: JobStatus, job: Json) -> list[FailedPod]:
        """Return the pods that were disrupted in a row, and log why no pod runs, if the Job is as it was the last time."""
        version = str(job["metadata"].get("resourceVersion", ""))
        seen, progress = self._seen.get(status.name), (status.succeeded, status.failed_pods)
        self._seen[status.name] = (*progress, version)
        if seen is None or seen[:2] != progress or (status.ready_pods and seen[2] == version):
            return []  # it has progressed, or its pod runs
        pods = self._cluster.list(PODS, f"{JOB_LABEL}={status.name}").items
        if status.ready_pods == 0:
            warnings = waiting.read_warnings(self._cluster)
            self._log_reason(step, status.name, waiting.job_reason(job, pods, warnings, datetime.now(UTC)))
        return disruptions(pods)

    def _log_reason(self, step: str, job: str, reason: str) -> None:
        if self._reasons.get(job) != reason:
            self._reasons[job] = reason
            log.warning("no running pod", step=step, job=job, reason=reason)
