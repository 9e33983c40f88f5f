"""Which pod failed a Job, and what is said about it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pipeline.termination import StepFailed, culprit, expand, failed_pod, sentence


def pod(name: str, index: int | None = None, code: int | None = 65, finished: str = "1", **more: Any) -> dict[str, Any]:
    """A failed pod of the API."""
    labels = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    end = {"exitCode": code, "reason": "Error", "finishedAt": finished, "message": f"{name} said this"}
    containers = [] if code is None else [{"name": "job", "state": {"terminated": end}}]
    return {"metadata": {"name": name, "labels": labels}, "status": {"containerStatuses": containers, **more}}


def job(failed_indexes: str = "", reason: str = "PodFailurePolicy") -> dict[str, Any]:
    condition = {"type": "Failed", "status": "True", "reason": reason, "message": "what the controller says"}
    return {
        "metadata": {"name": "demo-train-1"},
        "status": {"failedIndexes": failed_indexes, "conditions": [condition]},
    }


TAKEN: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_the_pod_of_the_index_that_failed_is_the_one_to_quote() -> None:
    pods = [failed_pod(item) for item in (pod("retried", 3, 75), pod("poisoned", 40, 65))]
    found = culprit(job("40"), pods)
    assert found is not None
    assert (found.name, found.index, found.exit_code) == ("poisoned", 40, 65)


def test_a_pod_that_lost_its_node_is_not_blamed_when_another_failed_by_itself() -> None:
    pods = [failed_pod(item) for item in (pod("lost", 40, 143, **TAKEN), pod("poisoned", 40, 65))]
    found = culprit(job("40"), pods)
    assert found is not None
    assert found.name == "poisoned"


def test_without_any_pod_the_jobs_own_condition_is_told() -> None:
    assert culprit(job(), []) is None
    assert sentence("train", job(), None) == (
        "step train failed: Job demo-train-1 (PodFailurePolicy: what the controller says), and none of its pods is left "
        "to say more"
    )


def test_the_sentence_has_the_index_the_code_what_it_means_the_pod_and_its_words() -> None:
    text = sentence("train", job("40"), failed_pod(pod("demo-train-1-40-x", 40, 65)))
    assert text == (
        "step train, index 40 failed with exit code 65 (its input is bad and stays bad, so it was not tried again), "
        "pod demo-train-1-40-x. Its last words: demo-train-1-40-x said this"
    )


def test_a_container_that_ran_out_of_memory_says_so() -> None:
    item = pod("big", 2, 137)
    item["status"]["containerStatuses"][0]["state"]["terminated"] |= {"reason": "OOMKilled", "message": ""}
    text = sentence("train", job("2"), failed_pod(item))
    assert "exit code 137 OOMKilled (it was killed in all of its attempts: out of memory" in text
    assert "It left no last words; the Job says PodFailurePolicy" in text


def test_a_pod_that_was_evicted_before_its_container_began_says_why() -> None:
    text = sentence("train", job(), failed_pod(pod("evicted", 1, None, reason="Evicted", message="the disk is full")))
    assert "no exit code Evicted, pod evicted. Its last words: the disk is full" in text


@pytest.mark.parametrize(("code", "expected"), [(65, 65), (75, 65), (137, 65), (1, 65), (None, 65), (78, 78), (2, 78)])
def test_the_pipeline_ends_with_78_for_a_setting_and_else_with_65_for_trying_again_is_useless(
    code: int | None, expected: int
) -> None:
    assert StepFailed("", failed_pod(pod("p", 0, code))).exit_code == expected
    assert StepFailed("", None).exit_code == 65


@given(st.sets(st.integers(0, 2000)))
def test_indexes_as_the_job_controller_writes_them_are_read_back(indexes: set[int]) -> None:
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and parts[-1][-1] == index - 1:
            parts[-1].append(index)
        else:
            parts.append([index])
    written = ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
    assert expand(written) == indexes
