"""Six releases in one namespace: 65 shards in order, four ways in which shard 40 fails, and 300 shards.

Their templates are those of the chart. Their pipelines run at the same time, because they mostly wait.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jobs.pipeline.cluster import PODS, Cluster, Json
from jobs.steps import STEPS

from . import kube
from .conftest import TIMEOUT_SECONDS, own_namespace
from .recorder import Recorder, index_of, release_of, step_of
from .releases import create_release_of_chart
from .running import log_records, start_pipeline

EXIT_CODES = (65, 78, 75, 137)


@dataclass(frozen=True)
class Runs:
    """The exit codes and last log records of the six pipelines, by release, and what happened in the cluster."""

    exit_codes: dict[str, int]
    last_records: dict[str, Json]
    requests: int
    recorder: Recorder
    pods: tuple[Json, ...]


@pytest.fixture(scope="module")
def runs(simulated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("pipelines")
    with own_namespace() as namespace:
        cluster = Cluster(namespace)
        wide = {"embed": {"parallelism": 40}, "evaluate": {"parallelism": 40}}
        create_release_of_chart(cluster, "whole", {"shards": 65, **wide})
        create_release_of_chart(cluster, "large", {"shards": 300, **wide}, train_parallelism=40)
        for code in EXIT_CODES:
            message = f"message of a pod with exit code {code}"
            simulated_end = {"exit-code": str(code), "only-index": "40", "termination-message": message}
            annotations = {f"simulated/{name}": value for name, value in simulated_end.items()}
            train = {"retries": 1, "pod": {"annotations": annotations}}
            create_release_of_chart(cluster, f"fails-{code}", {"shards": 65, "train": train, **wide})
        everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        account = kube.service_account(namespace, "counted", everything, folder)
        releases = ["whole", *(f"fails-{code}" for code in EXIT_CODES)]
        with Recorder(namespace) as recorder, kube.RequestCounter(namespace, "counted") as counter:
            processes = {name: start_pipeline(cluster, name, folder / name) for name in releases}
            processes["large"] = start_pipeline(cluster, "large", folder / "large", account)
            try:
                exit_codes = {name: process.wait(TIMEOUT_SECONDS) for name, process in processes.items()}
            finally:
                for process in processes.values():
                    process.kill()
                    process.wait()
            requests = counter.count()
        last_records = {name: log_records(folder / name)[-1] for name in processes}
        yield Runs(exit_codes, last_records, requests, recorder, cluster.list(PODS, "").items)


def test_65_shards_train_in_order_one_at_a_time(runs: Runs) -> None:
    assert runs.exit_codes["whole"] == 0
    assert [index_of(pod) for pod in runs.recorder.pods_created("whole", "train")] == list(range(65))


def test_no_pod_with_a_gpu_is_created_before_its_inputs_are_ready(runs: Runs) -> None:
    runs.recorder.assert_gpu_pods_had_their_inputs("whole")


@pytest.mark.parametrize("code", EXIT_CODES)
def test_no_shard_is_trained_after_shard_40_has_failed(runs: Runs, code: int) -> None:
    """65 and 78 end the chain at once, 75 and 137 after the retries. The pipeline ends with 78 for 78, otherwise 65."""
    own = [pod for pod in runs.pods if release_of(pod) == f"fails-{code}"]
    gpu_pods = [pod for pod in own if step_of(pod) in ("train", "evaluate", "describe")]
    assert {step_of(pod) for pod in gpu_pods} == {"train"}
    attempts = dict.fromkeys(range(40), 1) | {40: 1 if code in (65, 78) else 2}
    assert Counter(index_of(pod) for pod in gpu_pods) == attempts
    assert runs.exit_codes[f"fails-{code}"] == (78 if code == 78 else 65)


@pytest.mark.parametrize("code", EXIT_CODES)
def test_the_error_has_index_exit_code_termination_message_and_the_command_to_run(runs: Runs, code: int) -> None:
    error = runs.last_records[f"fails-{code}"]["event"]
    assert f"step train, index 40 failed with exit code {code} " in error
    assert f"message of a pod with exit code {code}" in error
    assert f"delete job fails-{code}-train-" in error


def test_a_pipeline_of_300_shards_sends_three_requests_for_each_step_and_two_more(runs: Runs) -> None:
    """Each template read at the start and again before the launch, each Job created, one list, one watch."""
    assert runs.exit_codes["large"] == 0
    assert runs.requests == 3 * len(STEPS) + 1 + 1
