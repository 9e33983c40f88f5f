"""What goes wrong on real pods, and what then happens: services away, wrong passwords, pods and nodes that go.

One release keeps the demo's services; others use them as they would use a bucket and a database of their own.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import kube
from .conftest import own_namespace
from .installed import Installed
from .machines import MACHINES
from .test_demo import MINUTES, RESTRICTED

SHARDS = 2
QUICK = (
    "prepare.settings.input=s3://skuscribe/raw/sample.jsonl.gz", "prepare.settings.shard_rows=350", "prepare.settings.held_out_rows=40",
    "fetchModel.settings.source=tiny", f"shards={SHARDS}", "train.settings.rouge_rows=0", "train.settings.epochs=8",
    "train.settings.save_every_seconds=0.5", "evaluate.settings.questions=4",
    "describe.settings.limit=8", "train.gpus=0", "evaluate.gpus=0", "describe.gpus=0", "shm=64Mi",
    *(f"{step}.resources.requests.cpu=100m,{step}.resources.requests.memory=300Mi,{step}.resources.requests.ephemeral-storage=1Gi,{step}.resources.limits.cpu=1"
      for step in ("prepare", "fetchModel", "embed", "build", "train", "evaluate", "describe", "report")),
)  # fmt: skip
USES_STORE = (
    "store.url=s3://skuscribe", "store.endpoint=http://store-services:8333", "store.existingSecret=store-services",
    "postgres.host=store-services", "postgres.sslmode=disable", "postgres.existingSecret=store-services",
    "postgres.passwordKey=PGPASSWORD",
)  # fmt: skip
TRAINING = "pipeline.steps={prepare,fetch-model,train}"


@pytest.fixture(scope="module")
def store() -> Iterator[Installed]:
    """The services, in a release that runs nothing else."""
    with own_namespace() as namespace:
        kube.core().patch_namespace(namespace, {"metadata": {"labels": RESTRICTED}})
        release = Installed(
            namespace, "store", ("demo.enabled=true", "pipeline.enabled=false", "networkPolicy.enabled=false")
        )
        release.install()
        release.kubectl("rollout", "status", "deploy/store-services", "--timeout=3m")
        yield release


def user(store: Installed, name: str, *values: str) -> Installed:
    """A release that uses those services, with names of its own for what it makes in them."""
    own = (f"settings.run={name}", f"settings.batch={name}")
    return Installed(store.namespace, name, (*USES_STORE, *QUICK, *own, *values))


@pytest.fixture(scope="module")
def undisturbed(store: Installed) -> dict[str, str]:
    """The weights of every shard of a run that nothing disturbed."""
    release = user(store, "calm", TRAINING)
    release.install()
    release.wait_for_pipeline(10 * MINUTES)
    release.uninstall()
    return dict(store.digests("calm"))


def test_a_training_leaves_the_weights_of_every_shard(undisturbed: dict[str, str]) -> None:
    assert len(set(undisturbed.values())) == SHARDS


def pod_within_shard(release: Installed, shard: int) -> dict[str, Any]:
    """The pod that trains this shard, once it has saved a state and goes on."""

    def running() -> dict[str, Any] | None:
        for pod in release.objects("pods", "train"):
            index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
            if index == str(shard) and pod["status"]["phase"] == "Running":
                return dict(pod)
        return None

    pod: dict[str, Any] = release.wait_until(f"a pod trains shard {shard}", running, 5 * MINUTES)
    release.follow(pod["metadata"]["name"], "state saved", 5 * MINUTES)
    return pod


def assert_resumed(release: Installed) -> None:
    """A later pod went on from what the one before had saved."""
    events = [line["event"] for line in release.logs("train")]
    assert "going on from a saved state" in events, f"{events}\n{release.story()}"


def test_a_pod_deleted_in_a_shard_costs_nothing_but_time(store: Installed, undisturbed: dict[str, str]) -> None:
    release = user(store, "deleted", TRAINING)
    release.install()
    pod = pod_within_shard(release, 1)
    release.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    release.wait_for_pipeline(10 * MINUTES)
    assert_resumed(release)
    assert dict(store.digests("deleted")) == undisturbed
    release.uninstall()


def test_an_upgrade_while_it_trains_does_not_disturb_the_shard(store: Installed, undisturbed: dict[str, str]) -> None:
    release = user(store, "upgraded", TRAINING)
    release.install()
    pod = pod_within_shard(release, 1)
    release.upgrade("report.settings.examples=3", "pipeline.steps={prepare,fetch-model,train}")
    release.upgrade("evaluate.settings.questions=5", "gracePeriodSeconds=60")
    release.wait_for_pipeline(10 * MINUTES)
    [same] = [item for item in release.objects("pods", "train") if item["metadata"]["uid"] == pod["metadata"]["uid"]]
    assert same["status"]["phase"] == "Succeeded"
    assert dict(store.digests("upgraded")) == undisturbed
    release.uninstall()


def test_installing_again_finds_the_work_done(store: Installed, undisturbed: dict[str, str]) -> None:
    release = user(store, "calm", TRAINING)
    release.install()
    release.wait_for_pipeline(5 * MINUTES)
    assert all(any("already done" in line["event"] for line in release.logs(step)) for step in ("prepare", "train"))
    assert dict(store.digests("calm")) == undisturbed
    release.uninstall()


def test_a_wrong_password_fails_at_once_and_the_pipeline_says_so(store: Installed) -> None:
    store.kubectl("create", "secret", "generic", "wrong", "--from-literal=password=not-this-one")
    wrong = ("postgres.existingSecret=wrong", "postgres.passwordKey=password", "pipeline.steps={prepare,embed}")
    release = user(store, "wrong", *wrong)
    release.install()
    release.wait_for_pipeline(5 * MINUTES, state="Failed")
    assert len([pod for pod in release.objects("pods", "embed") if pod["status"]["phase"] == "Failed"]) <= 4
    [words] = release.last_words("pipeline")
    assert words.startswith("78: ")
    assert "password authentication failed" in words
    assert "not-this-one" not in words
    release.uninstall()


def test_s3_gone_for_a_minute_is_waited_for(store: Installed, undisturbed: dict[str, str]) -> None:
    release = user(store, "patient", TRAINING)
    nobody = json.dumps({"spec": {"selector": {"app.kubernetes.io/component": "nobody"}}})
    somebody = json.dumps({"spec": {"selector": {"app.kubernetes.io/component": "services"}}})
    store.kubectl("patch", "service", "store-services", "-p", nobody)
    try:
        release.install()
        gone = time.monotonic()
        release.wait_until("a pod ends with 75", lambda: release.last_words("prepare"), 3 * MINUTES)
        assert release.last_words("prepare")[0].startswith("75: ")
        time.sleep(max(0.0, 60 - (time.monotonic() - gone)))
    finally:
        store.kubectl("patch", "service", "store-services", "-p", somebody)
    release.wait_for_pipeline(10 * MINUTES)
    assert dict(store.digests("patient")) == undisturbed
    release.uninstall()


def test_two_releases_side_by_side_do_not_meet(store: Installed, undisturbed: dict[str, str]) -> None:
    long = "a-second-release-whose-name-is-as-long-as-helm-takes"
    first, second = user(store, "left", TRAINING), user(store, long, TRAINING, "settings.run=right")
    first.install()
    second.install()
    for release in (first, second):
        release.wait_for_pipeline(15 * MINUTES)
    assert dict(store.digests("left")) == dict(store.digests("right")) == undisturbed
    first.uninstall()
    assert second.objects("jobs", "train")
    second.uninstall()


ON_GPU_NODE = (
    "train.gpus=1", "requireGpu=false", "gpuPod.nodeSelector.cloud\\.google\\.com/gke-accelerator=nvidia-l4",
    "gpuPod.tolerations[0].key=nvidia.com/gpu", "gpuPod.tolerations[0].operator=Exists",
)  # fmt: skip


@pytest.fixture
def gpu_node() -> str:
    """The one node with a GPU, empty but for what a test puts there."""
    found = kube.core().list_node(label_selector="cloud.google.com/gke-accelerator=nvidia-l4,!simulated").items
    if not found:
        pytest.skip("no node with the label cloud.google.com/gke-accelerator=nvidia-l4")
    return str(found[0].metadata.name)


@pytest.fixture
def machines() -> Path:
    """Where the programs are that take a machine away and bring it back."""
    if not (MACHINES / "reclaim").exists():
        pytest.skip("no program that takes a machine away: this needs the cluster of ../shared/cluster")
    return MACHINES


def training_on_gpu(store: Installed, name: str) -> tuple[Installed, dict[str, Any]]:
    """A release that trains shard 1 on the GPU node at this moment, and the pod that does."""
    release = user(store, name, TRAINING, *ON_GPU_NODE)
    release.install()
    return release, pod_within_shard(release, 1)


def test_a_drained_node_costs_no_retry(store: Installed, undisturbed: dict[str, str], gpu_node: str) -> None:
    release, pod = training_on_gpu(store, "drained")
    assert pod["spec"]["nodeName"] == gpu_node
    try:
        release.kubectl("drain", gpu_node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=3m")
    finally:
        release.kubectl("uncordon", gpu_node)
    release.wait_for_pipeline(10 * MINUTES)
    assert_resumed(release)
    job = release.job("train")
    assert job is not None
    assert not job["status"].get("failed")
    assert dict(store.digests("drained")) == undisturbed
    release.uninstall()


@pytest.mark.parametrize(("name", "options"), [("reclaimed", []), ("swapped", ["--keep-pods"])])
def test_a_reclaimed_machine_costs_nothing_but_time(
    store: Installed, undisturbed: dict[str, str], gpu_node: str, machines: Path, name: str, options: list[str]
) -> None:
    release, _ = training_on_gpu(store, name)
    try:
        subprocess.run([machines / "reclaim", gpu_node, *options], check=True, capture_output=True, timeout=240)
    finally:
        subprocess.run([machines / "up"], check=True, capture_output=True, timeout=240)
    release.wait_for_pipeline(10 * MINUTES)
    assert_resumed(release)
    job = release.job("train")
    assert job is not None
    # A machine of the same name that is back sooner than the pod is missed leaves a failure without the condition.
    assert job["status"].get("failed", 0) == (1 if options else 0)
    assert dict(store.digests(name)) == undisturbed
    release.uninstall()
