"""The pipeline on a real cluster with simulated pods: what it launches, what stops it, and the permissions it needs."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from jobs.pipeline import job as pipeline
from jobs.pipeline import settings as pipeline_settings
from jobs.pipeline.cluster import CRONJOBS, JOBS, Cluster, Json
from jobs.pipeline.termination import StepFailed
from jobs.process.errors import ConfigurationError
from jobs.steps import STEPS

from . import kube
from .recorder import NEEDS, Recorder, step_of, version_of
from .releases import StepSpec, create_release, cronjob
from .running import job_uids, launched, log_records, start_pipeline, wait_until_launched
from .waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.usefixtures("simulated")


def run_pipeline(cluster: Cluster, release: str = "demo", steps: str = "") -> None:
    pipeline.run(pipeline_settings.Settings(release=release, namespace=cluster.namespace, steps=steps))


def rules(job_verbs: list[str]) -> list[Json]:
    """The rules of the chart's Role, with these verbs on Jobs."""
    return [
        {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": job_verbs},
        {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]},
    ]


def test_a_second_pipeline_launches_nothing_until_a_template_changes(cluster: Cluster) -> None:
    create_release(cluster, "demo", {})
    run_pipeline(cluster)
    first = job_uids(cluster)
    assert len(first) == len(STEPS)
    run_pipeline(cluster)
    assert job_uids(cluster) == first
    changed = cronjob("demo", "train", StepSpec(2))  # as `helm upgrade` with another shard does
    kube.batch().patch_namespaced_cron_job("demo-train", cluster.namespace, {"spec": changed["spec"]})
    run_pipeline(cluster)
    new = set(job_uids(cluster)) - set(first)
    assert {name.rsplit("-", 1)[0] for name in new} == {"demo-train", "demo-evaluate", "demo-describe", "demo-report"}


def test_each_job_is_created_after_the_jobs_that_it_needs_are_complete(cluster: Cluster) -> None:
    create_release(cluster, "demo", {})
    with Recorder(cluster.namespace) as recorder:
        run_pipeline(cluster)
    completed = recorder.completed("demo")
    created = {step_of(job): version_of(job) for job in recorder.jobs_created("demo")}
    assert set(created) == set(NEEDS)
    for step, version in created.items():
        assert all(completed[need] < version for need in NEEDS[step]), step


def test_two_pipelines_at_the_same_time_create_each_job_once(cluster: Cluster, tmp_path: Path) -> None:
    create_release(cluster, "demo", {"train": StepSpec(3)})
    both = [start_pipeline(cluster, "demo", tmp_path / name) for name in ("first", "second")]
    assert [process.wait(DEADLINE_SECONDS) for process in both] == [0, 0]
    jobs = launched(tmp_path / "first") + launched(tmp_path / "second")
    assert len(jobs) == len(set(jobs)) == len(STEPS)


def test_the_deletion_of_a_running_job_ends_the_pipeline_which_does_not_launch_it_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    create_release(cluster, "demo", {"prepare": StepSpec(simulated={"runs-for": "10m"})})
    process = start_pipeline(cluster, "demo", tmp_path / "log")
    wait_until_launched(process, tmp_path / "log")
    [name] = launched(tmp_path / "log")
    kube.batch().delete_namespaced_job(name, cluster.namespace, propagation_policy="Background")
    assert process.wait(DEADLINE_SECONDS) == 65
    assert f"Job {name} was deleted before it was complete" in log_records(tmp_path / "log")[-1]["event"]
    assert job_uids(cluster) == {}


def test_a_step_waits_for_a_job_of_the_same_step_that_was_created_by_hand(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    create_release(cluster, "demo", {}, steps=("prepare",))
    create_job_by_hand(cluster, "demo-prepare", "by-hand", {"simulated/runs-for": "10s"})
    with Recorder(cluster.namespace) as recorder:
        run_pipeline(cluster, steps="prepare")
    assert "blocked by another job of this step" in capsys.readouterr().err
    by_hand = [event["object"] for event in recorder.jobs if event["object"]["metadata"]["name"] == "by-hand"]
    ended = next(job for job in by_hand if job["status"].get("completionTime"))
    [created] = [job for job in recorder.jobs_created("demo") if job["metadata"]["name"] != "by-hand"]
    assert version_of(ended) < version_of(created)


def create_job_by_hand(cluster: Cluster, cronjob_name: str, name: str, annotations: Mapping[str, str]) -> None:
    """Create a Job as `kubectl create job --from=cronjob/CRONJOB NAME` does, with these annotations on its pods."""
    found = cluster.read(CRONJOBS, cronjob_name)
    assert found is not None
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": cronjob_name, "uid": found["metadata"]["uid"]}
    template = found["spec"]["jobTemplate"]
    metadata = {
        "name": name,
        "labels": template["metadata"]["labels"],
        "ownerReferences": [{**owner, "controller": True}],
    }
    template["spec"]["template"]["metadata"]["annotations"] = dict(annotations)
    cluster.create(JOBS, {"metadata": metadata, "spec": template["spec"]})


def test_a_job_of_another_owner_with_the_needed_name_is_reported(cluster: Cluster) -> None:
    create_release(cluster, "demo", {}, steps=("prepare",))
    run_pipeline(cluster, steps="prepare")
    [name] = job_uids(cluster)
    kube.batch().delete_namespaced_job(name, cluster.namespace, propagation_policy="Background")
    pod = {"restartPolicy": "Never", "containers": [{"name": "other", "image": "other"}]}
    cluster.create(JOBS, {"metadata": {"name": name}, "spec": {"suspend": True, "template": {"spec": pod}}})
    with pytest.raises(ConfigurationError, match=rf"Job {name} .* was not created from CronJob demo-prepare"):
        run_pipeline(cluster, steps="prepare")


def test_a_missing_template_is_reported_before_anything_is_launched(cluster: Cluster) -> None:
    create_release(cluster, "demo", {}, steps=("prepare", "train"))
    with pytest.raises(ConfigurationError, match=r"there is no CronJob demo-fetch-model in namespace"):
        run_pipeline(cluster)
    assert job_uids(cluster) == {}


def test_a_verb_that_the_role_lacks_is_reported(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_release(cluster, "demo", {})
    limited = kube.service_account(cluster.namespace, "pipeline", rules(["get", "list", "watch"]), tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(limited))
    with pytest.raises(ConfigurationError, match=r"lacks the verb 'create' on jobs\.batch"):
        run_pipeline(cluster)


def test_the_role_of_the_chart_suffices_to_read_a_termination_message(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = StepSpec(2, simulated={"exit-code": "65", "termination-message": "row 17 is bad"})
    create_release(cluster, "demo", {"train": failing})
    limited = kube.service_account(
        cluster.namespace, "pipeline", rules(["get", "list", "watch", "create", "patch"]), tmp_path
    )
    monkeypatch.setenv("KUBECONFIG", str(limited))
    with pytest.raises(StepFailed, match="row 17 is bad"):
        run_pipeline(cluster)
