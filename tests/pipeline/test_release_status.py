"""The status of a release and of its steps, from their Jobs, pods and events in the API."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.pipeline.cluster import Cluster
from jobs.pipeline.release_status import ReleaseStatus, lines, read
from jobs.pipeline.step_status import StepStatus, step_status
from jobs.process.errors import InputError, NotReadyError
from tests.api_in_memory import ApiInMemory

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
    labels |= {"app.kubernetes.io/component": "train"}
    times = {"startedAt": started}
    state = (
        {"terminated": {**times, "finishedAt": ended, "exitCode": 1, "message": "bad row"}}
        if ended
        else {"running": times}
    )
    spec = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1", "memory": "8Gi"}}}]}
    status = {
        "phase": phase,
        "containerStatuses": [] if phase == "Pending" else [{"name": "train", "state": state}],
        **more,
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def status(jobs: list[dict[str, Any]], *pods: dict[str, Any]) -> StepStatus:
    return step_status("train", CRONJOB, jobs, pods, {}, NOW)


def test_a_step_without_a_job_is_waiting() -> None:
    found = status([])
    assert (found.state, found.done, found.indexes, found.seconds_left) == ("waiting", 0, 65, None)


def test_the_time_left_follows_from_the_times_of_the_pods_that_did_work_and_the_pods_that_run() -> None:
    succeeded = pod("a", "Succeeded", at(2), at(4)), pod("b", "Succeeded", at(2), at(3))
    running = pod("c", "Running", at(11, 30)), pod("d", "Running", at(11, 30))
    found = status([job(succeeded=20, active=2)], *succeeded, *running)
    assert (found.state, found.running) == ("running", 2)
    assert found.per_hour == pytest.approx(2 / 1.5)
    assert found.seconds_left == pytest.approx(45 * 1.5 / 2 * 3600)


def test_indexes_that_were_already_done_do_not_count_in_the_rate() -> None:
    already_done = [pod(f"done-{number}", "Succeeded", at(11, 0), "2026-06-01T11:00:40Z") for number in range(20)]
    worked, running = pod("a", "Succeeded", at(11), at(11, 30)), pod("b", "Running", at(11, 30))
    assert status([job(succeeded=21)], *already_done, worked, running).per_hour == 2.0


@pytest.mark.parametrize(
    "running",
    [
        pytest.param([pod("b", "Running", "2026-06-01T11:59:55Z")], id="the first pod that works has just started"),
        pytest.param([pod("b", "Running", at(11, 30))], id="the first pod that works is not finished"),
    ],
)
def test_without_a_finished_pod_that_did_work_no_rate_is_shown(running: list[dict[str, Any]]) -> None:
    found = status([job(succeeded=20)], pod("a", "Succeeded", at(11), "2026-06-01T11:00:08Z"), *running)
    assert (found.per_hour, found.seconds_left) == (None, None)


def test_without_a_running_pod_no_rate_is_shown() -> None:
    found = status([job(succeeded=1)], pod("a", "Succeeded", at(2), at(4)), pod("b", "Pending"))
    assert (found.per_hour, found.seconds_left) == (None, None)


def test_gpu_hours_include_all_pods_of_all_jobs_of_the_step() -> None:
    found = status(
        [job("demo-train-0", at(1), succeeded=2), job()],
        pod("old", "Succeeded", at(1), at(1, 30), "demo-train-0"),
        pod("done", "Succeeded", at(2), at(4)),
        pod("now", "Running", at(11)),
    )
    assert found.job == "demo-train-1"
    assert found.gpu_hours == 0.5 + 2 + 1


def with_limits(**limits: str) -> dict[str, Any]:
    """A pod that ran for an hour."""
    spec = {"containers": [{"resources": {"limits": {"memory": "8Gi", **limits}}}]}
    return pod("a", "Succeeded", at(2), at(3)) | {"spec": spec}


@pytest.mark.parametrize(
    ("limits", "gpu_hours"),
    [
        ({"nvidia.com/gpu": "2"}, 2),
        ({"amd.com/gpu": "1"}, 1),
        ({"nvidia.com/gpu.shared": "1"}, 1),
        ({"nvidia.com/mig-1g.10gb": "1"}, 1),
        ({"gpu.intel.com/i915": "1"}, 1),
        ({"nvidia.com/gpu": "1", "vpc.amazonaws.com/efa": "1"}, 1),
        ({"nvidia.com/gpu": "1", "rdma/hca_shared_devices_a": "1", "nvidia.com/hostdev": "4"}, 1),
        ({"vpc.amazonaws.com/efa": "1", "hugepages-2Mi": "4Mi"}, 0),
    ],
)
def test_of_the_extended_resources_only_gpus_count_in_the_gpu_hours(limits: dict[str, str], gpu_hours: float) -> None:
    assert status([job()], with_limits(**limits)).gpu_hours == gpu_hours


def test_the_resource_that_the_release_names_is_a_gpu() -> None:
    annotated = CRONJOB | {
        "metadata": {"name": "demo-train", "annotations": {"skuscribe/gpu-resource": "cloud/tpu-v5"}}
    }
    pods = [with_limits(**{"cloud/tpu-v5": "4", "vpc.amazonaws.com/efa": "1"})]
    assert step_status("train", annotated, [job()], pods, {}, NOW).gpu_hours == 4


def test_disrupted_pods_are_counted_apart_from_failed_pods() -> None:
    disrupted: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    found = status([job()], pod("a", "Failed", ended=at(3)), pod("b", "Failed", ended=at(4), **disrupted))
    assert (found.failed, found.disrupted) == (1, 1)
    assert found.note == "the next attempt starts after a backoff; pod a (index 7, exit code 1): bad row"


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


def test_a_pod_that_lost_its_node_is_disrupted_and_has_no_exit_code() -> None:
    lost = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }
    item = pod("p", "Failed", conditions=[lost])
    item["status"]["containerStatuses"] = []
    assert status([job()], item, pod("q", "Running")).note == (
        "pod p (index 7, disrupted): DeletionByTaintManager: Taint manager: deleting due to NoExecute taint"
    )


def lost(item: dict[str, Any], ended: str) -> dict[str, Any]:
    """A pod whose grace period ended at this time, on a node that does not answer."""
    item["metadata"] |= {"namespace": "here", "deletionTimestamp": ended}
    item["spec"]["nodeName"] = "node-3"
    return item


def test_a_pod_on_a_node_that_does_not_answer_is_not_running_and_the_note_says_what_to_do() -> None:
    found = status([job()], lost(pod("p", "Running", at(2)), at(4)))
    assert (found.running, found.gpu_hours) == (0, 2)
    assert found.note.startswith("pod p is terminating on node node-3, which does not answer: delete the node")


def test_a_pod_on_a_node_that_does_not_answer_is_noted_beside_pods_that_run() -> None:
    done, running = pod("done", "Succeeded", at(2), at(3)), pod("q", "Running", at(11))
    found = status([job(succeeded=1)], done, running, lost(pod("p", "Running", at(2)), at(2, 30)))
    assert (found.running, found.per_hour) == (1, 1.0)
    assert found.note.startswith("pod p is terminating on node node-3, which does not answer")


def test_a_complete_step_has_no_note() -> None:
    complete = [{"type": "Complete", "status": "True", "lastTransitionTime": at(3)}]
    found = status([job(succeeded=65, completionTime=at(3), conditions=complete)], pod("p", "Failed", ended=at(3)))
    assert (found.state, found.failed, found.note) == ("complete", 1, "")


LABELS = {"app.kubernetes.io/name": "skuscribe", "app.kubernetes.io/instance": "demo"}


def labelled(item: dict[str, Any], component: str) -> dict[str, Any]:
    """An object with the labels of a component of the release."""
    item["metadata"].setdefault("labels", {}).update({**LABELS, "app.kubernetes.io/component": component})
    return item


def pipeline_job(condition: str = "") -> dict[str, Any]:
    conditions = [{"type": condition, "status": "True", "lastTransitionTime": at(3)}] if condition else []
    metadata = {"name": "demo-pipeline-1", "creationTimestamp": at(2)}
    return labelled(
        {"metadata": metadata, "spec": {}, "status": {"startTime": at(2), "conditions": conditions}}, "pipeline"
    )


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiInMemory]:
    """An API server with a release that trains."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ApiInMemory() as server:
        server.add("cronjobs", labelled({**CRONJOB, "metadata": {"name": "demo-train"}}, "train"))
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        yield server


def release() -> tuple[ReleaseStatus, str]:
    """The status of the release, and the lines that are printed."""
    found = read(Cluster(retry_seconds=0), "demo", NOW)
    return found, "\n".join(lines(found, 0))


def pending(name: str, component: str, job_name: str, reason: str) -> dict[str, Any]:
    waiting = {"state": {"waiting": {"reason": reason, "message": "it is not there"}}}
    item = pod(name, "Pending", job_name=job_name)
    item["status"]["containerStatuses"] = [waiting]
    return labelled(item, component)


def test_a_pipeline_that_cannot_start_is_shown_with_the_reason(api: ApiInMemory) -> None:
    api.add("jobs", pipeline_job())
    api.add("pods", pending("demo-pipeline-1-x", "pipeline", "demo-pipeline-1", "ImagePullBackOff"))
    found, text = release()
    assert "  pipeline: pod demo-pipeline-1-x is pending: ImagePullBackOff: it is not there" in text
    with pytest.raises(NotReadyError, match="not complete yet: pipeline"):
        found.check_complete()


def test_a_release_without_any_job_is_not_complete(api: ApiInMemory) -> None:
    with pytest.raises(NotReadyError, match="no Job of the release is complete"):
        release()[0].check_complete()


def test_a_job_without_pods_is_shown_with_the_event_that_says_why(api: ApiInMemory) -> None:
    api.add("jobs", pipeline_job())
    about = {"kind": "Job", "name": "demo-pipeline-1"}
    message = 'pods "demo-pipeline-1-x" is forbidden: exceeded quota'
    event = {"metadata": {"name": "e"}, "type": "Warning", "reason": "FailedCreate", "message": message}
    api.add("events", event | {"involvedObject": about, "lastTimestamp": at(2)})
    assert f"  pipeline: no pod: FailedCreate: {message}" in release()[1]


def test_services_that_are_not_ready_are_shown_with_the_reason(api: ApiInMemory) -> None:
    api.add("jobs", pipeline_job())
    api.add("pods", pending("demo-services-x", "services", "", "CreateContainerConfigError"))
    assert "  services: pod demo-services-x is not ready: CreateContainerConfigError: it is not there" in release()[1]
    ready = pod("demo-services-y", "Running", conditions=[{"type": "Ready", "status": "True"}])
    api.add("pods", labelled(ready, "services"))
    assert "demo-services-y" not in release()[1]


def test_services_on_a_node_that_does_not_answer_are_shown_with_what_to_do(api: ApiInMemory) -> None:
    api.add("pods", labelled(lost(pod("demo-services-x", "Running"), at(4)), "services"))
    text = "  services: pod demo-services-x is terminating on node node-3, which does not answer: delete the node"
    assert text in release()[1]


def test_pods_of_another_release_are_not_shown(api: ApiInMemory) -> None:
    other = pending("other-services-x", "services", "", "ImagePullBackOff")
    other["metadata"]["labels"]["app.kubernetes.io/instance"] = "other"
    api.add("pods", other)
    assert "other-services" not in release()[1]


def add_refused_pod(api: ApiInMemory, replica_set: str) -> None:
    """Add the event of a ReplicaSet that cannot create its pod."""
    event = {
        "metadata": {"name": replica_set},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": f"no quota for {replica_set}",
    }
    api.add("events", event | {"involvedObject": {"kind": "ReplicaSet", "name": replica_set}, "lastTimestamp": at(2)})


def test_only_replica_sets_of_the_services_of_the_release_are_shown(api: ApiInMemory) -> None:
    for name in (
        "demo-services-6bd9f",
        "other-services-6bd9f",
        "demo-services-services-6bd9f",
        "shop-demo-services-6bd9f",
    ):
        add_refused_pod(api, name)
    shown = [line for line in release()[1].splitlines() if "no quota" in line]
    assert shown == ["  services: no pod: FailedCreate: no quota for demo-services-6bd9f"]


def test_the_services_of_a_release_whose_name_begins_with_a_digit_have_the_prefix_of_the_chart(
    api: ApiInMemory,
) -> None:
    api.add("cronjobs", labelled({**CRONJOB, "metadata": {"name": "1-train", "labels": {}}}, "train"))
    add_refused_pod(api, "skuscribe-1-services-6bd9f")
    text = "\n".join(lines(read(Cluster(retry_seconds=0), "1", NOW), 0))
    assert "  services: no pod: FailedCreate: no quota for skuscribe-1-services-6bd9f" in text


def with_train(condition: str) -> dict[str, Any]:
    conditions = [{"type": condition, "status": "True", "lastTransitionTime": at(3)}] if condition else []
    return labelled(job(conditions=conditions), "train")


@pytest.mark.parametrize(
    ("pipeline", "train", "error"),
    [
        ("Complete", "Complete", None),
        ("", "Complete", NotReadyError),
        ("", "", NotReadyError),
        ("", "Failed", InputError),
        ("Failed", "Failed", InputError),
        ("Failed", "Complete", InputError),
        ("Complete", "Failed", InputError),
        (None, "Complete", None),
        (None, "", NotReadyError),
        (None, "Failed", InputError),
    ],
)
def test_a_script_can_tell_complete_from_unfinished_and_failed(
    api: ApiInMemory, pipeline: str | None, train: str, error: type[Exception] | None
) -> None:
    if pipeline is not None:
        api.add("jobs", pipeline_job(pipeline))
    api.add("jobs", with_train(train))
    check: Callable[[], None] = release()[0].check_complete
    if error is None:
        check()
    else:
        with pytest.raises(error):
            check()


def test_a_job_that_failed_before_the_running_pipeline_was_created_does_not_fail_the_release(api: ApiInMemory) -> None:
    api.add("jobs", pipeline_job())
    failed = [{"type": "Failed", "status": "True", "lastTransitionTime": at(1, 30)}]
    api.add("jobs", labelled(job(created=at(1), succeeded=40, conditions=failed), "train"))
    found, text = release()
    assert "  train       superseded       40/65" in text
    assert "  train: Job demo-train-1 is older than the pipeline and failed" in text
    with pytest.raises(NotReadyError, match="not complete yet: pipeline"):
        found.check_complete()


def test_a_job_that_failed_before_a_pipeline_that_failed_too_is_shown_as_failed(api: ApiInMemory) -> None:
    api.add("jobs", pipeline_job("Failed"))
    failed = [{"type": "Failed", "status": "True", "lastTransitionTime": at(1, 30)}]
    api.add("jobs", labelled(job(created=at(1), conditions=failed), "train"))
    with pytest.raises(InputError, match="failed: pipeline, train"):
        release()[0].check_complete()


def test_a_job_that_failed_before_a_pipeline_that_is_complete_does_not_fail_the_release(api: ApiInMemory) -> None:
    api.add("jobs", pipeline_job("Complete"))
    failed = [{"type": "Failed", "status": "True", "lastTransitionTime": at(1, 30)}]
    api.add("jobs", labelled(job(created=at(1), conditions=failed), "train"))
    release()[0].check_complete()
