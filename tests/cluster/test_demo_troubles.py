"""Failures on real pods: unavailable services, a wrong password, deleted pods, drained and reclaimed nodes.

One release runs the demo's services; the others use them as they would use their own bucket and database.
"""

import json
import subprocess
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
CHECKPOINT_SAVED = ('"event": "committed"', "/state/step-")
RESUMED = "resuming from checkpoint"
SMALL = (
    "prepare.settings.input=s3://skuscribe/raw/sample.jsonl.gz", "prepare.settings.shard_rows=350", "prepare.settings.held_out_rows=40",
    "fetchModel.settings.source=tiny", "train.settings.rouge_rows=0", "train.settings.epochs=8",
    "train.settings.save_every_seconds=1", "evaluate.settings.questions=4",
    "describe.settings.limit=8", "train.gpus=0", "evaluate.gpus=0", "describe.gpus=0", "shm=64Mi",
    *(f"{step}.resources.requests.cpu=100m,{step}.resources.requests.memory=300Mi,{step}.resources.requests.ephemeral-storage=1Gi,{step}.resources.limits.cpu=1"
      for step in ("prepare", "fetchModel", "embed", "build", "match", "train", "evaluate", "describe", "report")),
)  # fmt: skip
USES_STORE = (
    "store.url=s3://skuscribe", "store.endpoint=http://store-services:8333", "store.existingSecret=store-services",
    "postgres.host=store-services", "postgres.sslmode=disable", "postgres.existingSecret=store-services",
    "postgres.passwordKey=PGPASSWORD",
)  # fmt: skip
TRAINING = "pipeline.steps={prepare,fetch-model,train}"
ONLY_TRAINING = "pipeline.steps={train}"
"""For a release that finds the catalogue and the base model of the undisturbed one."""


@pytest.fixture(scope="module")
def store() -> Iterator[Installed]:
    """A release that runs the services and nothing else."""
    with own_namespace() as namespace:
        kube.core().patch_namespace(namespace, {"metadata": {"labels": RESTRICTED}})
        release = Installed(
            namespace,
            "store",
            ("demo.enabled=true", "demo.sampleRows=720", "pipeline.enabled=false", "networkPolicy.enabled=false"),
        )
        release.install()
        release.kubectl("rollout", "status", "deploy/store-services", "--timeout=3m")
        yield release


def user(store: Installed, name: str, *values: str) -> Installed:
    """Return a release that uses those services, with its own run and batch."""
    own = (f"settings.run={name}", f"settings.batch={name}")
    return Installed(store.namespace, name, (*USES_STORE, *SMALL, *own, *values))


@pytest.fixture(scope="module")
def undisturbed(store: Installed) -> dict[str, str]:
    """The digests of the weights of every shard of an undisturbed run."""
    release = user(store, "undisturbed", TRAINING)
    release.install()
    release.wait_for_pipeline(10 * MINUTES)
    release.uninstall()
    return dict(store.digests("undisturbed"))


def test_training_stores_the_weights_of_every_shard(undisturbed: dict[str, str]) -> None:
    assert len(set(undisturbed.values())) == SHARDS


def pod_training(release: Installed, shard: int) -> dict[str, Any]:
    """Wait until a pod has saved a checkpoint of this shard, and return the pod."""

    def running() -> dict[str, Any] | None:
        for pod in release.objects("pods", "train"):
            index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
            if index == str(shard) and pod["status"]["phase"] == "Running":
                return dict(pod)
        return None

    pod: dict[str, Any] = release.wait_until(running, f"a pod trains shard {shard}", 10 * MINUTES)
    release.wait_for_log(pod["metadata"]["name"], CHECKPOINT_SAVED, 5 * MINUTES)
    return pod


def assert_resumed(release: Installed) -> None:
    """Check that a later pod resumed from the checkpoint of an earlier one."""
    events = [record["event"] for record in release.logs("train")]
    assert RESUMED in events, f"{events}\n{release.diagnosis()}"


def test_training_is_not_disturbed_by_an_upgrade_and_resumes_after_its_pod_was_deleted(
    store: Installed, undisturbed: dict[str, str]
) -> None:
    release = user(store, "changed", ONLY_TRAINING)
    release.install()
    first = pod_training(release, 0)
    release.upgrade("report.settings.examples=3")
    release.upgrade("evaluate.settings.questions=5", "gracePeriodSeconds=60")
    second = pod_training(release, 1)
    release.kubectl("delete", "pod", second["metadata"]["name"], "--wait=false")
    release.wait_for_pipeline(10 * MINUTES)
    pods = {pod["metadata"]["uid"]: pod["status"]["phase"] for pod in release.objects("pods", "train")}
    assert pods[first["metadata"]["uid"]] == "Succeeded"
    assert_resumed(release)
    assert dict(store.digests("changed")) == undisturbed
    release.uninstall()


def test_a_release_that_is_installed_again_finds_its_work_done(store: Installed, undisturbed: dict[str, str]) -> None:
    release = user(store, "undisturbed", TRAINING)
    release.install()
    release.wait_for_pipeline(5 * MINUTES)
    assert all(any("already done" in record["event"] for record in release.logs(step)) for step in ("prepare", "train"))
    assert dict(store.digests("undisturbed")) == undisturbed
    release.uninstall()


def test_a_wrong_password_fails_the_pipeline_with_78(store: Installed) -> None:
    store.kubectl("create", "secret", "generic", "wrong", "--from-literal=password=not-this-one")
    wrong = ("postgres.existingSecret=wrong", "postgres.passwordKey=password", "pipeline.steps={prepare,embed}")
    release = user(store, "wrong", *wrong)
    release.install()
    release.wait_for_pipeline(5 * MINUTES, state="Failed")
    assert len([pod for pod in release.objects("pods", "embed") if pod["status"]["phase"] == "Failed"]) <= 4
    [message] = release.termination_messages("pipeline")
    assert message.startswith("78: ")
    assert "password authentication failed" in message
    assert "not-this-one" not in message
    release.uninstall()


def test_two_releases_in_one_namespace_wait_for_s3_and_do_not_disturb_each_other(
    store: Installed, undisturbed: dict[str, str]
) -> None:
    long = "a-second-release-whose-name-is-as-long-as-helm-takes"
    training = (TRAINING, "train.shards=1")
    first, second = user(store, "left", *training), user(store, long, *training, "settings.run=right")
    no_pod = json.dumps({"spec": {"selector": {"app.kubernetes.io/component": "nobody"}}})
    services_pod = json.dumps({"spec": {"selector": {"app.kubernetes.io/component": "services"}}})
    store.kubectl("patch", "service", "store-services", "-p", no_pod)

    def failures() -> list[str] | None:
        """Two of each release: it has tried again."""
        left, right = (release.termination_messages("prepare") for release in (first, second))
        return [*left, *right] if min(len(left), len(right)) >= 2 else None

    try:
        first.install()
        second.install()
        messages = first.wait_until(failures, "pods of both releases fail because S3 is unavailable", 10 * MINUTES)
    finally:
        store.kubectl("patch", "service", "store-services", "-p", services_pod)
    assert all(message.startswith("75: ") for message in messages)
    for release in (first, second):
        release.wait_for_pipeline(15 * MINUTES)
    assert dict(store.digests("left")) == dict(store.digests("right")) == first_of(undisturbed)
    first.uninstall()
    assert second.objects("jobs", "train")
    second.uninstall()


ON_GPU_NODE = (
    "train.gpus=1", "requireGpu=false", "gpuPod.nodeSelector.cloud\\.google\\.com/gke-accelerator=nvidia-l4",
    "gpuPod.tolerations[0].key=nvidia.com/gpu", "gpuPod.tolerations[0].operator=Exists",
)  # fmt: skip


@pytest.fixture
def gpu_node() -> str:
    """The name of a node with a GPU and no other pods."""
    nodes = kube.core().list_node(label_selector="cloud.google.com/gke-accelerator=nvidia-l4,!simulated").items
    if not nodes:
        pytest.skip("no node with the label cloud.google.com/gke-accelerator=nvidia-l4")
    return str(nodes[0].metadata.name)


@pytest.fixture
def machines() -> Path:
    """The folder of the programs that stop a machine and start it again."""
    if not (MACHINES / "reclaim").exists():
        pytest.skip("no program that stops a machine: this needs a local cluster")
    return MACHINES


def training_on_gpu(store: Installed, name: str) -> tuple[Installed, dict[str, Any]]:
    """Install a release that trains one shard on the node with a GPU, wait until it does, and return it with the pod."""
    release = user(store, name, ONLY_TRAINING, "train.shards=1", *ON_GPU_NODE)
    release.install()
    return release, pod_training(release, 0)


def first_of(digests: dict[str, str]) -> dict[str, str]:
    """Return the digest of the first shard."""
    return dict([min(digests.items())])


def test_training_resumes_after_its_node_was_drained_without_a_retry(
    store: Installed, undisturbed: dict[str, str], gpu_node: str
) -> None:
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
    assert dict(store.digests("drained")) == first_of(undisturbed)
    release.uninstall()


@pytest.mark.parametrize(("name", "options"), [("reclaimed", []), ("swapped", ["--keep-pods"])])
def test_training_resumes_after_its_machine_was_reclaimed(
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
    # If a machine of the same name is back before the control plane misses the pod, the failure has no DisruptionTarget.
    assert job["status"].get("failed", 0) == (1 if options else 0)
    assert dict(store.digests(name)) == first_of(undisturbed)
    release.uninstall()
