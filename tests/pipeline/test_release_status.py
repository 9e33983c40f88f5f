"""How a release stands, from what the API tells of its Jobs and pods."""

from datetime import UTC, datetime
from typing import Any

from jobs.pipeline.release_status import StepState, pod_state, step_state

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
CRONJOB = {"metadata": {"name": "demo-train"}, "spec": {"jobTemplate": {"spec": {"completions": 65}}}}


def at(hour: int, minute: int = 0) -> str:
    return f"2026-06-01T{hour:02}:{minute:02}:00Z"


def job(name: str = "demo-train-1", made: str = at(2), **status: Any) -> dict[str, Any]:
    owner = {"kind": "CronJob", "name": "demo-train", "uid": "1", "controller": True}
    metadata = {"name": name, "creationTimestamp": made, "ownerReferences": [owner]}
    return {"metadata": metadata, "spec": {"completions": 65}, "status": {"startTime": made, **status}}


def pod(
    name: str, phase: str, began: str = at(2), ended: str = "", job_name: str = "demo-train-1", **more: Any
) -> dict[str, Any]:
    """A pod with one GPU. `more` goes into its status."""
    labels = {"batch.kubernetes.io/job-name": job_name, "batch.kubernetes.io/job-completion-index": "7"}
    times = {"startedAt": began}
    state = (
        {"terminated": {**times, "finishedAt": ended, "exitCode": 1, "message": "no more"}}
        if ended
        else {"running": times}
    )
    spec = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1", "memory": "8Gi"}}}]}
    status = {"phase": phase, "containerStatuses": [] if phase == "Pending" else [{"state": state}], **more}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def state(jobs: list[dict[str, Any]], *pods: dict[str, Any]) -> StepState:
    return step_state("train", CRONJOB, jobs, [pod_state(item, NOW) for item in pods], NOW)


def test_a_step_without_a_job_waits() -> None:
    found = state([])
    assert (found.state, found.done, found.indexes, found.seconds_left) == ("waiting", 0, 65, None)


def test_the_rate_gives_the_time_left() -> None:
    found = state([job(succeeded=20, active=1)], pod("p", "Running", at(11, 30)))
    assert (found.state, found.running, found.per_hour) == ("running", 1, 2.0)
    assert found.seconds_left == 45 / 2.0 * 3600


def test_gpu_hours_are_those_of_all_pods_of_all_jobs_of_the_step() -> None:
    found = state(
        [job("demo-train-0", at(1), succeeded=2), job()],
        pod("old", "Succeeded", at(1), at(1, 30), "demo-train-0"),
        pod("done", "Succeeded", at(2), at(4)),
        pod("now", "Running", at(11)),
    )
    assert found.job == "demo-train-1"
    assert found.gpu_hours == 0.5 + 2 + 1


def test_a_pod_that_lost_its_node_is_counted_apart_from_those_that_failed() -> None:
    taken: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    found = state([job()], pod("a", "Failed", ended=at(3)), pod("b", "Failed", ended=at(4), **taken))
    assert (found.failed, found.taken) == (1, 1)
    assert found.note == "pod a (index 7, exit code 1): no more"


def test_a_pod_without_a_place_says_what_it_waits_for() -> None:
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes have a GPU"}
    found = state([job()], pod("p", "Pending", conditions=[unplaced]))
    assert (found.pending, found.gpu_hours) == (1, 0)
    assert found.note == "pod p waits: Unschedulable: 0/3 nodes have a GPU"


def test_so_does_a_pod_whose_image_can_not_be_pulled() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    found = state([job()], pod("p", "Pending") | {"status": {"phase": "Pending", "containerStatuses": [waiting]}})
    assert found.note == "pod p waits: ImagePullBackOff: no such image"


def test_a_job_that_can_make_no_pod_says_where_to_look() -> None:
    assert state([job()]).note == "no pod yet; `kubectl describe job demo-train-1` says what is in the way"


def test_a_job_that_has_ended_takes_no_more_time() -> None:
    complete = [{"type": "Complete", "status": "True", "lastTransitionTime": at(3)}]
    found = state([job(succeeded=65, completionTime=at(3), conditions=complete)])
    assert (found.state, found.seconds, found.seconds_left) == ("complete", 3600, None)
    failed = [{"type": "Failed", "status": "True", "lastTransitionTime": at(2, 30)}]
    found = state([job(succeeded=40, conditions=failed)])
    assert (found.state, found.seconds) == ("failed", 1800)
