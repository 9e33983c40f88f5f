"""What a Job is called, and what it is made of."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pipeline import cluster as cluster_module
from jobs.pipeline import launch
from jobs.pipeline.cluster import Cluster
from jobs.pipeline.launch import MARK, job_name, job_of, read_template, template_of
from jobs.process.errors import ConfigurationError, NotReadyError
from tests.fake_api import Answer, FakeApi, refusal

LABELS = {"app.kubernetes.io/name": "skuscribe", "app.kubernetes.io/instance": "demo"}


def cronjob(
    name: str = "demo-train", completions: int | None = 65, labels: dict[str, str] | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {"template": {"spec": {"containers": []}}} | (
        {"completions": completions} if completions else {}
    )
    template = {"metadata": {"labels": LABELS if labels is None else labels}, "spec": spec}
    return {"metadata": {"name": name, "uid": "uid-train"}, "spec": {"jobTemplate": template}}


def test_the_same_template_and_run_give_the_same_name_in_whatever_order_its_keys_come() -> None:
    one = {"metadata": {"labels": LABELS}, "spec": {"completions": 3, "parallelism": 1}}
    other = {"spec": {"parallelism": 1, "completions": 3}, "metadata": {"labels": LABELS}}
    assert job_name("demo-train", one, "main") == job_name("demo-train", other, "main")


def test_another_template_another_run_and_another_cronjob_each_give_another_name() -> None:
    content = {"spec": {"completions": 3}}
    names = {
        job_name("demo-train", content, "main"),
        job_name("demo-train", content, "second"),
        job_name("demo-train", {"spec": {"completions": 4}}, "main"),
        job_name("demo-evaluate", content, "main"),
    }
    assert len(names) == 4


def test_the_name_is_the_cronjobs_and_eight_digits_of_the_hash() -> None:
    name = job_name("demo-train", {"spec": {}}, "main")
    assert name == "demo-train-" + name[-8:]
    int(name[-8:], 16)


@given(length=st.integers(1, 52), completions=st.integers(1, 100_000))
def test_a_pod_of_the_last_index_has_a_name_that_the_api_server_takes(length: int, completions: int) -> None:
    name = job_name("x" * length, {"spec": {"completions": completions}}, "main")
    assert len(f"{name}-{completions - 1}") <= 63


def test_two_cronjobs_that_are_cut_to_the_same_words_still_differ() -> None:
    content = {"spec": {"completions": 1000}}
    assert job_name("x" * 51 + "a", content, "main") != job_name("x" * 51 + "b", content, "main")


def test_it_is_what_kubectl_would_make_of_the_cronjob() -> None:
    made = job_of(template_of(cronjob(), "train", "main"))
    assert made["spec"] == cronjob()["spec"]["jobTemplate"]["spec"]
    assert made["metadata"]["labels"] == LABELS
    assert made["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-train", "uid": "uid-train", "controller": True}
    ]


def test_a_template_without_the_labels_that_it_is_followed_by_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"demo-train.*lacks the label app.kubernetes.io/name"):
        template_of(cronjob(labels={}), "train", "main")


def marked(mark: str) -> Answer:
    return Answer(200, [cronjob() | {"metadata": {**cronjob()["metadata"], "annotations": {MARK: mark}}}])


def test_the_template_of_this_revision_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm makes the pipeline before the CronJobs: at first there is none, then that of the revision before."""
    monkeypatch.setattr(cluster_module, "FIRST_PAUSE_SECONDS", 0.01)
    with FakeApi(refusal(404, "no such cronjob"), marked("0ld"), marked("new")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        found = read_template(Cluster(), "demo", "train", "main", "new")
        assert found.cronjob == "demo-train"
        assert len(api.asked) == 3


def test_a_template_that_does_not_come_is_75_and_without_a_mark_a_missing_one_is_78(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(launch, "TEMPLATE_SECONDS", 0.1)
    with FakeApi(marked("0ld")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        with pytest.raises(NotReadyError, match="is not the one of this revision"):
            read_template(Cluster(), "demo", "train", "main", "new")
    with FakeApi(refusal(404, "no such cronjob")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        with pytest.raises(ConfigurationError, match="there is no CronJob demo-train"):
            read_template(Cluster(), "demo", "train", "main")
