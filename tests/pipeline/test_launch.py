"""The content of a Job, and the wait for its template."""

from pathlib import Path
from typing import Any

import pytest

from jobs.pipeline import backoff, launch
from jobs.pipeline.cluster import Cluster
from jobs.pipeline.launch import TEMPLATE_ANNOTATION, job_of, read_template, template_of
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


def test_the_job_is_what_kubectl_would_create_from_the_cronjob() -> None:
    template = template_of(cronjob(), "train")
    job = job_of(template, "demo-train-1")
    assert job["spec"] == cronjob()["spec"]["jobTemplate"]["spec"]
    assert (job["metadata"]["name"], job["metadata"]["labels"]) == ("demo-train-1", LABELS)
    assert job["metadata"]["annotations"] == {
        "cronjob.kubernetes.io/instantiate": "manual",
        TEMPLATE_ANNOTATION: template.hash,
    }


def test_the_cronjob_owns_the_job_and_does_not_control_it() -> None:
    """The CronJob controller reports a Job that it controls and did not create, and deletes it by its history limits."""
    job = job_of(template_of(cronjob(), "train"), "demo-train-1")
    assert job["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-train", "uid": "uid-train"}
    ]


def test_the_pipeline_sets_the_number_of_indexes_and_keeps_finished_jobs() -> None:
    item = cronjob()
    item["spec"]["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] = 60
    job = job_of(template_of(item, "train"), "demo-train-1", indexes=3)
    assert job["spec"]["completions"] == 3
    assert "ttlSecondsAfterFinished" not in job["spec"]


def test_a_template_without_the_selector_labels_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match=r"demo-train lacks the label app.kubernetes.io/name"):
        template_of(cronjob(labels={}), "train")


def test_the_template_of_this_revision_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm creates the pipeline before the CronJobs: at first there is none, then that of the previous revision."""
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.01)
    with FakeApi(error_answer(404, "not found"), cronjob_with_hash("0ld"), cronjob_with_hash("new")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        assert read_template(Cluster(), "demo", "train", "new").cronjob == "demo-train"
        assert len(api.requested) == 3


def test_a_template_of_this_revision_that_does_not_appear_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(launch, "TEMPLATE_SECONDS", 0.1)
    with FakeApi(cronjob_with_hash("0ld")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        with pytest.raises(NotReadyError, match="is not the one of this revision"):
            read_template(Cluster(), "demo", "train", "new")


def test_a_missing_template_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeApi(error_answer(404, "not found")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        with pytest.raises(ConfigurationError, match="there is no CronJob demo-train"):
            read_template(Cluster(), "demo", "train")
