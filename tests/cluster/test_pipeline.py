"""The pipeline on a real cluster with simulated pods: what it launches, what stops it, and what it may do."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from jobs.pipeline import job as pipeline
from jobs.pipeline import settings as pipeline_settings
from jobs.pipeline.cluster import CRONJOBS, JOBS, Cluster, Json
from jobs.pipeline.termination import StepFailed
from jobs.process.errors import ConfigurationError

from . import kube
from .recorder import NEEDS, Recorder, revision, step_of
from .releases import Part, cronjob, make_release
from .running import facts, jobs_made, launched, start_pipeline

pytestmark = pytest.mark.usefixtures("simulated")


def run_pipeline(cluster: Cluster, release: str = "demo", steps: str = "") -> None:
    pipeline.run(
        pipeline_settings.Settings(release=release, namespace=cluster.namespace, steps=steps, patience_seconds=60)
    )


def rules(job_verbs: list[str]) -> list[Json]:
    """What the chart's Role allows, with these verbs on Jobs."""
    return [
        {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": job_verbs},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]


def test_a_second_pipeline_finds_all_of_it_done_and_a_changed_template_launches_its_step_alone(
    cluster: Cluster,
) -> None:
    make_release(cluster, "demo", {})
    run_pipeline(cluster)
    made = jobs_made(cluster)
    assert len(made) == 8
    run_pipeline(cluster)
    assert jobs_made(cluster) == made
    changed = cronjob("demo", "train", Part(2))  # as `helm upgrade` with one more shard does
    kube.batch().patch_namespaced_cron_job("demo-train", cluster.namespace, {"spec": changed["spec"]})
    run_pipeline(cluster)
    new = set(jobs_made(cluster)) - set(made)
    assert [name.rsplit("-", 1)[0] for name in new] == ["demo-train"]


def test_each_next_job_is_made_within_two_seconds_of_the_end_of_the_last(cluster: Cluster) -> None:
    make_release(cluster, "demo", {})
    run_pipeline(cluster)
    jobs = {step_of(item): item for item in cluster.list(JOBS, "").items}
    for step, job in jobs.items():
        made = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
        ends = [datetime.fromisoformat(jobs[need]["status"]["completionTime"]) for need in NEEDS[step]]
        assert (made - max(ends, default=made)).total_seconds() <= 2


def test_two_pipelines_at_once_make_each_job_once(cluster: Cluster, tmp_path: Path) -> None:
    make_release(cluster, "demo", {"train": Part(3)})
    both = [start_pipeline(cluster, "demo", tmp_path / name) for name in ("one", "other")]
    assert [process.wait(120) for process in both] == [0, 0]
    made = launched(tmp_path / "one") + launched(tmp_path / "other")
    assert len(made) == len(set(made)) == 8


def test_a_job_that_somebody_removes_ends_the_pipeline_and_is_not_started_behind_his_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    make_release(cluster, "demo", {"prepare": Part(pretend={"runs-for": "60s"})})
    process = start_pipeline(cluster, "demo", tmp_path / "log")
    name = first_job(cluster)
    kube.batch().delete_namespaced_job(name, cluster.namespace, propagation_policy="Background")
    assert process.wait(30) == 65
    assert f"Job {name} was deleted before it was Complete" in facts(tmp_path / "log")[-1]["event"]
    assert jobs_made(cluster) == {}


def first_job(cluster: Cluster) -> str:
    """The name of the first Job, as soon as there is one."""
    for _ in range(100):
        if made := jobs_made(cluster):
            return next(iter(made))
        time.sleep(0.2)
    raise TimeoutError("no Job after 20 s")


def test_a_job_of_the_step_that_was_made_by_hand_is_waited_for(cluster: Cluster) -> None:
    make_release(cluster, "demo", {"prepare": Part(pretend={"runs-for": "4s"})}, steps=("prepare",))
    make_job_by_hand(cluster, "demo-prepare", "by-hand")
    with Recorder(cluster.namespace) as recorder:
        run_pipeline(cluster, steps="prepare")
    by_hand = [event["object"] for event in recorder.jobs if event["object"]["metadata"]["name"] == "by-hand"]
    ended = next(job for job in by_hand if job["status"].get("completionTime"))
    (made,) = [job for job in recorder.jobs_added("demo") if job["metadata"]["name"] != "by-hand"]
    assert revision(ended) < revision(made)


def make_job_by_hand(cluster: Cluster, template: str, name: str) -> None:
    """As `kubectl create job --from=cronjob/TEMPLATE NAME` does."""
    found = cluster.read(CRONJOBS, template)
    assert found is not None
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": template, "uid": found["metadata"]["uid"]}
    content = found["spec"]["jobTemplate"]
    metadata = {
        "name": name,
        "labels": content["metadata"]["labels"],
        "ownerReferences": [{**owner, "controller": True}],
    }
    cluster.create(JOBS, {"metadata": metadata, "spec": content["spec"]})


def test_a_name_that_another_job_has_taken_is_told(cluster: Cluster) -> None:
    make_release(cluster, "demo", {}, steps=("prepare",))
    run_pipeline(cluster, steps="prepare")
    (name,) = jobs_made(cluster)
    kube.batch().delete_namespaced_job(name, cluster.namespace, propagation_policy="Background")
    container = {"name": "other", "image": "other"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    cluster.create(JOBS, {"metadata": {"name": name}, "spec": {"suspend": True, "template": {"spec": pod}}})
    with pytest.raises(ConfigurationError, match=rf"Job {name} .* was not made from CronJob demo-prepare: remove it"):
        run_pipeline(cluster, steps="prepare")


def test_a_step_without_a_template_is_a_wrong_setting_found_before_anything_starts(cluster: Cluster) -> None:
    make_release(cluster, "demo", {}, steps=("prepare", "train"))
    with pytest.raises(ConfigurationError, match=r"there is no CronJob demo-fetch-model in namespace"):
        run_pipeline(cluster)
    assert jobs_made(cluster) == {}


def test_a_role_that_lacks_a_verb_is_told_which(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_release(cluster, "demo", {})
    limited = kube.service_account(cluster.namespace, "pipeline", rules(["get", "list", "watch"]), tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(limited))
    with pytest.raises(ConfigurationError, match=r"needs the verb 'create' on jobs\.batch"):
        run_pipeline(cluster)


def test_the_role_of_the_chart_is_enough_to_the_last_words(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_release(cluster, "demo", {"train": Part(2, pretend={"exit-code": "65", "last-words": "said at the end"})})
    limited = kube.service_account(cluster.namespace, "pipeline", rules(["get", "list", "watch", "create"]), tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(limited))
    with pytest.raises(StepFailed, match="said at the end"):
        run_pipeline(cluster)
