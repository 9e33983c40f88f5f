"""Why no pod of a Job runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.pipeline.waiting import job_reason

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
JOB: dict[str, Any] = {"metadata": {"name": "demo-train-1"}, "spec": {}}


def terminating(phase: str, ended_seconds_ago: float) -> dict[str, Any]:
    """A pod of the API whose grace period ended so long ago: its deletionTimestamp is the end of that period."""
    ended = (NOW - timedelta(seconds=ended_seconds_ago)).isoformat().replace("+00:00", "Z")
    metadata = {"name": "demo-train-1-7-x", "namespace": "shop", "deletionTimestamp": ended}
    return {"metadata": metadata, "spec": {"nodeName": "node-3"}, "status": {"phase": phase}}


@pytest.mark.parametrize("phase", ["Running", "Pending", "Unknown"])
def test_a_pod_that_did_not_end_in_time_is_on_a_node_that_does_not_answer(phase: str) -> None:
    reason = job_reason(JOB, [terminating(phase, 61)], {}, NOW)
    assert reason.startswith("pod demo-train-1-7-x is terminating on node node-3, which does not answer: delete the")
    assert "`kubectl taint nodes node-3 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`" in reason
    mark = """`kubectl -n shop patch pod demo-train-1-7-x --subresource=status -p '{"status":{"phase":"Failed"}}'`"""
    assert mark in reason


@pytest.mark.parametrize(("phase", "ended_seconds_ago"), [("Running", 59), ("Running", -100), ("Failed", 3600)])
def test_a_pod_that_still_has_time_or_has_ended_is_no_sign_of_a_lost_node(phase: str, ended_seconds_ago: float) -> None:
    assert "does not answer" not in job_reason(JOB, [terminating(phase, ended_seconds_ago)], {}, NOW)


def test_a_lost_node_is_named_although_the_pod_of_another_index_is_starting() -> None:
    starting = {"metadata": {"name": "other"}, "status": {"phase": "Pending"}}
    assert "which does not answer" in job_reason(JOB, [starting, terminating("Running", 61)], {}, NOW)
