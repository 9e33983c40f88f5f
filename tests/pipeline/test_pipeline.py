"""The whole pipeline against an API server in memory: what it launches, with how many indexes, and what it says while it waits."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.pipeline import job as pipeline
from jobs.pipeline.cluster import Cluster
from jobs.pipeline.decision import needs_of
from jobs.pipeline.job import Pipeline, Release
from jobs.pipeline.termination import StepFailed
from jobs.pipeline.watch import Change
from jobs.process.errors import ConfigurationError
from jobs.steps import STEPS, by_name
from tests.api_in_memory import ApiInMemory

NAMES = [step.name for step in STEPS]
LABELS = {"app.kubernetes.io/name": "skuscribe", "app.kubernetes.io/instance": "demo"}


@pytest.fixture(autouse=True)
def _without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def cronjob(step: str, image: str = "1") -> dict[str, Any]:
    """The CronJob of a step, as the chart makes it; `image` distinguishes two revisions."""
    indexed = by_name(step).indexes(1) is not None
    pod = {"spec": {"containers": [{"name": step, "image": image}]}}
    spec = {"template": pod, **({"completions": 65} if indexed else {})}
    metadata = {"name": f"demo-{step}", "uid": f"uid-{step}", "labels": {**LABELS, "app.kubernetes.io/component": step}}
    metadata |= {"annotations": {"skuscribe/completions": "catalogue"}} if indexed else {}
    return {"metadata": metadata, "spec": {"jobTemplate": {"metadata": {"labels": metadata["labels"]}, "spec": spec}}}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiInMemory]:
    """An API server with the CronJobs of a release, on which each Job is complete at once."""
    with ApiInMemory() as server:
        server.on_create = server.complete
        for step in NAMES:
            server.add("cronjobs", cronjob(step))
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        yield server


def run(
    shards: Callable[[], int] = lambda: 3,
    steps: list[str] | None = None,
    max_shards: int | None = None,
    max_disruptions: int = 20,
    shards_at_once: int = 1,
) -> None:
    """Run the pipeline of the release."""
    needs = needs_of(STEPS, steps or NAMES)
    release = Release(
        name="demo",
        needs=needs,
        run="main",
        template_hashes={},
        max_shards=max_shards,
        shards_at_once=shards_at_once,
        max_disruptions=max_disruptions,
    )
    Pipeline(Cluster(), release, shards).run()


def steps_of(jobs: list[str]) -> list[str]:
    return sorted(name.removeprefix("demo-").rsplit("-", 1)[0] for name in jobs)


def launched_by(api: ApiInMemory, **options: Any) -> list[str]:
    """Run the pipeline again. Returns the steps of the Jobs that it has created."""
    before = set(api.all("jobs"))
    run(**options)
    return steps_of([name for name in api.all("jobs") if name not in before])


def records(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["event"] == event]


def test_the_indexes_follow_from_the_catalogue(api: ApiInMemory) -> None:
    run(lambda: 3)
    completions = {name.rsplit("-", 1)[0]: job["spec"].get("completions") for name, job in api.all("jobs").items()}
    indexed = {name: count for name, count in completions.items() if count is not None}
    assert indexed == {"demo-embed": 4, "demo-train": 3, "demo-evaluate": 6}


class _EndOfChangesError(Exception):
    """The API server of a test has no more changes."""


@pytest.mark.parametrize("exists", [True, False])
def test_a_job_that_a_listing_lacks_is_deleted_only_if_it_does_not_exist(
    api: ApiInMemory, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    """After an outage the reader lists everything while the pipeline launches a Job: the listing is older than the Job."""

    def changes(*_: Any) -> Iterator[Change]:
        yield Change("listed", ())
        while not (launched := api.all("jobs")):
            time.sleep(0.01)
        if not exists:
            for name in launched:
                api.remove("jobs", name)
        yield Change("listed", ())
        raise _EndOfChangesError

    api.on_create = lambda _job: None
    monkeypatch.setattr(pipeline, "changes", changes)
    with pytest.raises(_EndOfChangesError if exists else StepFailed, match=None if exists else "was deleted before"):
        run()


def test_a_wrong_setting_of_the_last_step_is_found_before_the_first_one_is_launched(api: ApiInMemory) -> None:
    wrong = cronjob("describe")
    [container] = wrong["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "SKUSCRIBE_BEAMS", "value": "many"}]
    api.add("cronjobs", wrong)
    with pytest.raises(ConfigurationError, match=r"step describe: .*--beams \(SKUSCRIBE_BEAMS\)"):
        run()
    assert api.all("jobs") == {}


def test_the_catalogue_is_not_read_before_prepare_is_complete(api: ApiInMemory) -> None:
    def shards() -> int:
        [prepare] = [job for name, job in api.all("jobs").items() if name.startswith("demo-prepare-")]
        assert prepare["status"]["conditions"][0]["type"] == "Complete"
        return 2

    run(shards)


def test_a_limit_above_the_number_of_shards_is_reported(api: ApiInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    run(lambda: 3, max_shards=70)
    warnings = {
        (item["step"], item["shards"], item["max_shards"]) for item in records(capsys, "fewer shards than the limit")
    }
    assert ("train", 3, 70) in warnings


def test_a_second_pipeline_launches_nothing(api: ApiInMemory) -> None:
    run()
    assert launched_by(api) == []


def test_an_upgrade_runs_the_changed_step_and_all_that_need_it_again(api: ApiInMemory) -> None:
    run()
    api.add("cronjobs", cronjob("embed", image="2"))
    assert launched_by(api) == ["build", "describe", "embed", "evaluate", "match", "report"]
    api.add("cronjobs", cronjob("embed", image="2"))
    assert launched_by(api) == []


def test_the_report_is_made_again_after_a_step_was_added(api: ApiInMemory) -> None:
    run(steps=[name for name in NAMES if name != "describe"])
    assert launched_by(api) == ["describe", "report"]


def test_a_rollback_runs_the_changed_steps_again(api: ApiInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(60))
    add = api.add

    def added_in_order(kind: str, item: dict[str, Any]) -> dict[str, Any]:
        created = f"2026-06-01T00:00:{next(seconds):02}Z"  # the API server has no finer times
        return add(kind, item | {"metadata": {**item["metadata"], "creationTimestamp": created}})

    monkeypatch.setattr(api, "add", added_in_order)
    run()
    api.add("cronjobs", cronjob("build", image="2"))
    changed = launched_by(api)
    api.add("cronjobs", cronjob("build"))
    assert launched_by(api) == changed == ["build", "describe", "evaluate", "match", "report"]
    assert launched_by(api) == []


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes have a GPU",
}
QUOTA = 'Error creating: pods "x" is forbidden: exceeded quota: compute'


def pod(status: dict[str, Any], job: str, name: str = "pod-1") -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"batch.kubernetes.io/job-name": job}}, "status": status}


def deleted(item: dict[str, Any]) -> dict[str, Any]:
    """A pod that was deleted long ago, and whose node has not ended it."""
    metadata = item["metadata"] | {"namespace": "here", "deletionTimestamp": "2026-06-01T00:00:00Z"}
    return item | {"metadata": metadata, "spec": {"nodeName": "node-3"}}


def waiting_container(reason: str, message: str) -> dict[str, Any]:
    return {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


def warning(kind: str, name: str, reason: str, message: str, time: str = "2026-06-01T00:00:00Z") -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    event = {"metadata": {"name": f"{name}.{reason}"}, "type": "Warning", "reason": reason, "message": message}
    return event | {"involvedObject": about, "lastTimestamp": time}


@pytest.mark.parametrize(
    ("status", "event", "reason"),
    [
        ({"phase": "Pending", "conditions": [UNSCHEDULABLE]}, None, "Unschedulable: 0/3 nodes have a GPU"),
        (waiting_container("ImagePullBackOff", "no such image"), None, "ImagePullBackOff: no such image"),
        (
            waiting_container("CreateContainerConfigError", "couldn't find key password in Secret"),
            None,
            "CreateContainerConfigError: couldn't find key password in Secret",
        ),
        (
            waiting_container("ContainerCreating", ""),
            ("Pod", "FailedMount", 'secret "tls" not found'),
            'FailedMount: secret "tls" not found',
        ),
        ({"phase": "Running"}, None, "is terminating on node node-3, which does not answer"),
        (None, ("Job", "FailedCreate", QUOTA), f"no pod: FailedCreate: {QUOTA}"),
        (
            None,
            ("Job", "FailedCreate", 'error looking up service account here/jobs: serviceaccount "jobs" not found'),
            'serviceaccount "jobs" not found',
        ),
    ],
    ids=["unschedulable", "image", "secret key", "volume", "lost node", "quota", "service account"],
)
def test_the_reason_why_no_pod_runs_is_logged_once(
    status: dict[str, Any] | None,
    event: tuple[str, str, str] | None,
    reason: str,
    api: ApiInMemory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pipeline, "CHECK_SECONDS", 0.05)
    checks = 0

    def stuck(name: str) -> None:
        if status is not None:
            api.add("pods", deleted(pod(status, name)) if status["phase"] == "Running" else pod(status, name))
        if event is not None:
            kind, why, message = event
            api.add("events", warning(kind, name if kind == "Job" else "pod-1", why, message))

    def log_and_end(*arguments: Any, **fields: Any) -> None:
        nonlocal checks
        original(*arguments, **fields)
        checks += 1
        if checks == 3:  # the pod runs at last
            [name] = api.all("jobs")
            api.complete(name)

    original = pipeline.Pipeline._check_running
    monkeypatch.setattr(pipeline.Pipeline, "_check_running", log_and_end)
    api.on_create = stuck
    run(steps=["prepare"])
    [record] = records(capsys, "no running pod")
    assert (record["level"], record["step"]) == ("warning", "prepare")
    assert reason in record["reason"]


def evicted(job: str, number: int) -> dict[str, Any]:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": "node was low on memory",
    }
    terminated = {"exitCode": 137, "finishedAt": f"2026-06-01T00:00:{number:02}Z"}
    status = {
        "phase": "Failed",
        "conditions": [condition],
        "containerStatuses": [{"name": "train", "state": {"terminated": terminated}}],
    }
    return pod(status, job, f"pod-{number}")


def test_a_step_whose_pods_are_evicted_again_and_again_is_stopped(
    api: ApiInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "CHECK_SECONDS", 0.05)

    def evict(name: str) -> None:
        for number in range(3):
            api.add("pods", evicted(name, number))

    api.on_create = evict
    with pytest.raises(
        StepFailed, match=r"3 pods in a row were disrupted.*TerminationByKubelet: node was low on memory"
    ):
        run(steps=["prepare"], max_disruptions=3)
    [job] = api.all("jobs").values()
    assert job["spec"]["suspend"] is True
