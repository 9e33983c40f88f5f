"""The name and the content of a Job, and the wait for its template."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pipeline import backoff, launch
from jobs.pipeline.cluster import Cluster
from jobs.pipeline.launch import TEMPLATE_ANNOTATION, job_name, job_of, read_template, template_of
from jobs.process.errors import ConfigurationError, NotReadyError
from tests.fake_api import Answer, FakeApi, error_answer

LABELS = {"app.kubernetes.io/name": "skuscribe", "app.kubernetes.io/instance": "demo"}


def cronjob(completions: int | None = 65, labels: dict[str, str] | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"template": {"spec": {"containers": []}}}
    spec |= {"completions": completions} if completions else {}
    template = {"metadata": {"labels": LABELS if labels is None else labels}, "spec": spec}
    return {"metadata": {"name": "demo-train", "uid": "uid-train"}, "spec": {"jobTemplate": template}}


def cronjob_with_hash(template_hash: str) -> Answer:
    """An answer with the CronJob of the revision whose template has this hash."""
    metadata = {**cronjob()["metadata"], "annotations": {TEMPLATE_ANNOTATION: template_hash}}
    return Answer(200, [cronjob() | {"metadata": metadata}])


def test_the_name_does_not_depend_on_the_order_of_keys() -> None:
    first = {"metadata": {"labels": LABELS}, "spec": {"completions": 3, "parallelism": 1}}
    second = {"spec": {"parallelism": 1, "completions": 3}, "metadata": {"labels": LABELS}}
    assert job_name("demo-train", first, "main") == job_name("demo-train", second, "main")


def test_the_name_depends_on_template_run_and_cronjob() -> None:
    content = {"spec": {"completions": 3}}
    names = {
        job_name("demo-train", content, "main"),
        job_name("demo-train", content, "second"),
        job_name("demo-train", {"spec": {"completions": 4}}, "main"),
        job_name("demo-evaluate", content, "main"),
    }
    assert len(names) == 4


def test_the_name_is_the_cronjobs_name_and_eight_digits_of_a_hash() -> None:
    name = job_name("demo-train", {"spec": {}}, "main")
    assert name == "demo-train-" + name[-8:]
    int(name[-8:], 16)


@given(length=st.integers(1, 52), completions=st.integers(1, 100_000))
def test_the_host_name_of_the_last_index_is_short_enough(length: int, completions: int) -> None:
    name = job_name("x" * length, {"spec": {"completions": completions}}, "main")
    assert len(f"{name}-{completions - 1}") <= 63


def test_two_long_names_that_are_truncated_alike_still_differ() -> None:
    content = {"spec": {"completions": 1000}}
    assert job_name("x" * 51 + "a", content, "main") != job_name("x" * 51 + "b", content, "main")


def test_the_job_is_what_kubectl_would_create_from_the_cronjob() -> None:
    job = job_of(template_of(cronjob(), "train", "main"))
    assert job["spec"] == cronjob()["spec"]["jobTemplate"]["spec"]
    assert job["metadata"]["labels"] == LABELS
    assert job["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    assert job["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-train", "uid": "uid-train", "controller": True}
    ]


def test_a_template_without_the_selector_labels_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match=r"demo-train lacks the label app.kubernetes.io/name"):
        template_of(cronjob(labels={}), "train", "main")


def test_the_template_of_this_revision_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm creates the pipeline before the CronJobs: at first there is none, then that of the previous revision."""
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.01)
    with FakeApi(error_answer(404, "not found"), cronjob_with_hash("0ld"), cronjob_with_hash("new")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        assert read_template(Cluster(), "demo", "train", "main", "new").cronjob == "demo-train"
        assert len(api.requested) == 3


def test_a_template_of_this_revision_that_does_not_appear_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(launch, "TEMPLATE_SECONDS", 0.1)
    with FakeApi(cronjob_with_hash("0ld")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        with pytest.raises(NotReadyError, match="is not the one of this revision"):
            read_template(Cluster(), "demo", "train", "main", "new")


def test_a_missing_template_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeApi(error_answer(404, "not found")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        with pytest.raises(ConfigurationError, match="there is no CronJob demo-train"):
            read_template(Cluster(), "demo", "train", "main")
