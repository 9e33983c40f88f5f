"""The status of a step, from its Jobs and pods in the API."""

from datetime import UTC, datetime
from typing import Any

from jobs.pipeline.release_status import StepStatus, pod_status, step_status

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
CRONJOB = {"metadata": {"name": "demo-train"}, "spec": {"jobTemplate": {"spec": {"completions": 65}}}}


def at(hour: int, minute: int = 0) -> str:
    return f"2026-06-01T{hour:02}:{minute:02}:00Z"


def job(name: str = "demo-train-1", created: str = at(2), **status: Any) -> dict[str, Any]:
    owner = {"kind": "CronJob", "name": "demo-train", "uid": "1", "controller": True}
    metadata = {"name": name, "creationTimestamp": created, "ownerReferences": [owner]}
    return {"metadata": metadata, "spec": {"completions": 65}, "status": {"startTime": created, **status}}


def pod(
    name: str, phase: str, started: str = at(2), ended: str = "", job_name: str = "demo-train-1", **more: Any
) -> dict[str, Any]:
    """A pod with one GPU. `more` is added to its status."""
    labels = {"batch.kubernetes.io/job-name": job_name, "batch.kubernetes.io/job-completion-index": "7"}
    times = {"startedAt": started}
    state = (
        {"terminated": {**times, "finishedAt": ended, "exitCode": 1, "message": "bad row"}}
        if ended
        else {"running": times}
    )
    spec = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1", "memory": "8Gi"}}}]}
    status = {"phase": phase, "containerStatuses": [] if phase == "Pending" else [{"state": state}], **more}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def status(jobs: list[dict[str, Any]], *pods: dict[str, Any]) -> StepStatus:
    return step_status("train", CRONJOB, jobs, [pod_status(item, NOW) for item in pods], NOW)


def test_a_step_without_a_job_is_waiting() -> None:
    found = status([])
    assert (found.state, found.done, found.indexes, found.seconds_left) == ("waiting", 0, 65, None)


def test_the_time_left_follows_from_the_rate() -> None:
    found = status([job(succeeded=20, active=1)], pod("p", "Running", at(11, 30)))
    assert (found.state, found.running, found.per_hour) == ("running", 1, 2.0)
    assert found.seconds_left == 45 / 2.0 * 3600


def test_gpu_hours_include_all_pods_of_all_jobs_of_the_step() -> None:
    found = status(
        [job("demo-train-0", at(1), succeeded=2), job()],
        pod("old", "Succeeded", at(1), at(1, 30), "demo-train-0"),
        pod("done", "Succeeded", at(2), at(4)),
        pod("now", "Running", at(11)),
    )
    assert found.job == "demo-train-1"
    assert found.gpu_hours == 0.5 + 2 + 1


def test_disrupted_pods_are_counted_apart_from_failed_pods() -> None:
    disrupted: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    found = status([job()], pod("a", "Failed", ended=at(3)), pod("b", "Failed", ended=at(4), **disrupted))
    assert (found.failed, found.disrupted) == (1, 1)
    assert found.note == "pod a (index 7, exit code 1): bad row"


def test_the_note_has_the_reason_of_an_unschedulable_pod() -> None:
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes have a GPU",
    }
    found = status([job()], pod("p", "Pending", conditions=[unschedulable]))
    assert (found.pending, found.gpu_hours) == (1, 0)
    assert found.note == "pod p is pending: Unschedulable: 0/3 nodes have a GPU"


def test_the_note_has_the_reason_of_a_failed_image_pull() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    found = status([job()], pod("p", "Pending") | {"status": {"phase": "Pending", "containerStatuses": [waiting]}})
    assert found.note == "pod p is pending: ImagePullBackOff: no such image"


def test_the_note_of_a_job_without_pods_names_a_command() -> None:
    assert status([job()]).note == "no pod yet; `kubectl describe job demo-train-1` shows the reason"


def test_the_time_of_a_finished_job_does_not_grow() -> None:
    complete = [{"type": "Complete", "status": "True", "lastTransitionTime": at(3)}]
    found = status([job(succeeded=65, completionTime=at(3), conditions=complete)])
    assert (found.state, found.seconds, found.seconds_left) == ("complete", 3600, None)
    failed = [{"type": "Failed", "status": "True", "lastTransitionTime": at(2, 30)}]
    found = status([job(succeeded=40, conditions=failed)])
    assert (found.state, found.seconds) == ("failed", 1800)
