"""Which pod failed a Job, and the error message about it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pipeline.termination import (
    disruptions,
    failed_pod,
    failing_pod,
    failure_message,
    parse_indexes,
    step_failure,
)

DISRUPTED: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


def pod(name: str, index: int | None = None, code: int | None = 65, finished: str = "1", **more: Any) -> dict[str, Any]:
    """A failed pod of the API. `more` is added to its status."""
    labels = {"app.kubernetes.io/component": "job"}
    labels |= {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    terminated = {"exitCode": code, "reason": "Error", "finishedAt": finished, "message": f"message of {name}"}
    containers = [] if code is None else [{"name": "job", "state": {"terminated": terminated}}]
    return {"metadata": {"name": name, "labels": labels}, "status": {"containerStatuses": containers, **more}}


def job(failed_indexes: str = "", message: str = "message of the controller") -> dict[str, Any]:
    condition = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": message}
    status = {"failedIndexes": failed_indexes, "conditions": [condition]}
    return {"metadata": {"name": "demo-train-1"}, "status": status}


def test_a_pod_of_the_failed_index_is_to_blame() -> None:
    pods = [failed_pod(item) for item in (pod("retried", 3, 75), pod("bad-input", 40, 65))]
    found = failing_pod(job("40"), pods)
    assert found is not None
    assert (found.name, found.index, found.exit_code) == ("bad-input", 40, 65)


def test_the_pod_that_the_condition_names_is_to_blame_and_not_a_later_one_that_only_waited() -> None:
    pods = [failed_pod(item) for item in (pod("demo-train-1-2-b", 2, 75), pod("demo-train-1-0-a", 0, 78))]
    message = (
        "Container train for pod default/demo-train-1-0-a failed with exit code 78 matching FailJob rule at index 3"
    )
    found = failing_pod(job(message=message), pods)
    assert found is not None
    assert (found.index, found.exit_code) == (0, 78)


def test_a_disrupted_pod_is_not_to_blame_if_another_one_failed() -> None:
    pods = [failed_pod(item) for item in (pod("disrupted", 40, 143, **DISRUPTED), pod("bad-input", 40, 65))]
    found = failing_pod(job("40"), pods)
    assert found is not None
    assert found.name == "bad-input"


def test_the_jobs_condition_is_reported_if_no_pod_is_left() -> None:
    assert failing_pod(job(), []) is None
    assert failure_message("train", job(), None) == (
        "step train failed: Job demo-train-1 (PodFailurePolicy: message of the controller); no failed pod of it is left to "
        "show its termination message"
    )


def test_the_message_has_index_exit_code_meaning_pod_and_termination_message() -> None:
    text = failure_message("train", job("40"), failed_pod(pod("demo-train-1-40-x", 40, 65)))
    assert text == (
        "step train, index 40 failed with exit code 65 (bad input, not retried), pod demo-train-1-40-x. "
        "Its termination message: message of demo-train-1-40-x"
    )


def test_an_out_of_memory_kill_is_reported_as_such() -> None:
    item = pod("big", 2, 137)
    item["status"]["containerStatuses"][0]["state"]["terminated"] |= {"reason": "OOMKilled", "message": ""}
    text = failure_message("train", job("2"), failed_pod(item))
    assert "exit code 137 OOMKilled (killed in every attempt: out of memory" in text
    assert "It left no termination message; Job demo-train-1: PodFailurePolicy" in text


def test_the_reason_of_an_eviction_before_the_start_is_reported() -> None:
    evicted = failed_pod(pod("evicted", 1, None, reason="Evicted", message="the disk is full"))
    text = failure_message("train", job(), evicted)
    assert "no exit code Evicted, pod evicted. Its termination message: the disk is full" in text


@pytest.mark.parametrize(("code", "expected"), [(65, 65), (75, 65), (137, 65), (1, 65), (None, 65), (78, 78), (2, 78)])
def test_the_pipeline_ends_with_78_for_a_wrong_setting_and_otherwise_with_65(code: int | None, expected: int) -> None:
    assert step_failure("", failed_pod(pod("p", 0, code))).exit_code == expected


def test_the_pipeline_ends_with_65_if_no_pod_is_left() -> None:
    assert step_failure("", None).exit_code == 65


def test_the_exit_code_of_a_container_of_a_service_mesh_has_no_meaning_of_ours() -> None:
    item = pod("meshed", 3, None)
    ended = {"name": "mesh-init", "state": {"terminated": {"exitCode": 2, "reason": "Error", "message": "panic"}}}
    item["status"]["initContainerStatuses"] = [ended]
    found = failed_pod(item)
    assert step_failure("", found).exit_code == 65
    assert failure_message("train", job(), found) == (
        "step train, index 3 failed with exit code 2 of container mesh-init, pod meshed. Its termination message: panic"
    )


def test_the_container_of_the_job_says_how_a_pod_ended_if_one_of_a_service_mesh_failed_too() -> None:
    item = pod("meshed", 3, 65)
    ended = {"name": "a-proxy", "state": {"terminated": {"exitCode": 2, "reason": "Error", "message": "panic"}}}
    item["status"]["containerStatuses"].insert(0, ended)
    assert (failed_pod(item).exit_code, failed_pod(item).container) == (65, "")


@given(st.sets(st.integers(0, 2000)))
def test_indexes_are_parsed_as_the_job_controller_writes_them(indexes: set[int]) -> None:
    ranges: list[list[int]] = []
    for index in sorted(indexes):
        if ranges and ranges[-1][-1] == index - 1:
            ranges[-1].append(index)
        else:
            ranges.append([index])
    written = ",".join(f"{found[0]}-{found[-1]}" if len(found) > 1 else str(found[0]) for found in ranges)
    assert parse_indexes(written) == indexes


def test_disruptions_in_a_row_are_those_after_the_last_success() -> None:
    succeeded = pod("succeeded", 0, 0, finished="2")
    succeeded["status"]["phase"] = "Succeeded"
    failed = [pod(str(time), 1, 143, finished=str(time), phase="Failed", **DISRUPTED) for time in (1, 3, 4)]
    failed.append(pod("not-disrupted", 1, 75, finished="5", phase="Failed"))
    assert [found.name for found in disruptions([succeeded, *failed])] == ["4", "3"]
