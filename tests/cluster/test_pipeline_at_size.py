"""Six releases side by side in one namespace: 65 shards in order, four ways in which shard 40 fails, 1,000 shards.

Their templates are the chart's own. They run at the same time, each with a pipeline of its own, for all of them mostly wait.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jobs.pipeline.cluster import PODS, Cluster, Json

from . import kube
from .conftest import own_namespace
from .recorder import Recorder, index_of, release_of, step_of
from .releases import make_release_of_chart
from .running import facts, start_pipeline

CODES = (65, 78, 75, 137)


@dataclass(frozen=True)
class Runs:
    """How the pipelines of the six releases ended."""

    codes: dict[str, int]
    words: dict[str, Json]
    requests: int
    recorder: Recorder
    pods: tuple[Json, ...]


@pytest.fixture(scope="module")
def runs(simulated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("pipelines")
    with own_namespace() as namespace:
        cluster = Cluster(namespace)
        wide = {"embed": {"parallelism": 40}, "evaluate": {"parallelism": 40}}
        make_release_of_chart(cluster, "whole", {"shards": 65, **wide})
        make_release_of_chart(cluster, "thousand", {"shards": 1000, **wide}, at_a_time=40)
        for code in CODES:
            words = f"code {code}: the pod's own last words"
            pretend = {"exit-code": str(code), "only-index": "40", "last-words": words}
            annotations = {f"simulated/{name}": value for name, value in pretend.items()}
            train = {"retries": 1, "pod": {"annotations": annotations}}
            make_release_of_chart(cluster, f"fails-{code}", {"shards": 65, "train": train, **wide})
        anything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        account = kube.service_account(namespace, "counted", anything, folder)
        releases = ["whole", *(f"fails-{code}" for code in CODES)]
        with Recorder(namespace) as recorder, kube.CountedRequests(namespace, "counted") as counted:
            processes = {name: start_pipeline(cluster, name, folder / name) for name in releases}
            processes["thousand"] = start_pipeline(cluster, "thousand", folder / "thousand", account)
            try:
                codes = {name: process.wait(500) for name, process in processes.items()}
            finally:
                for process in processes.values():
                    process.kill()
                    process.wait()
            requests = counted.count()
        last = {name: facts(folder / name)[-1] for name in processes}
        yield Runs(codes, last, requests, recorder, cluster.list(PODS, "").items)


def test_65_shards_train_in_order_one_at_a_time(runs: Runs) -> None:
    assert runs.codes["whole"] == 0
    assert [index_of(pod) for pod in runs.recorder.made("whole", "train")] == list(range(65))


def test_no_pod_with_a_gpu_exists_before_its_inputs_are_ready(runs: Runs) -> None:
    runs.recorder.assert_gpu_pods_had_their_inputs("whole")


@pytest.mark.parametrize("code", CODES)
def test_shard_40_fails_and_nothing_comes_after_it(runs: Runs, code: int) -> None:
    """65 and 78 end the chain at once, 75 and 137 after the retries; the pipeline says 78 for 78, else 65."""
    mine = [pod for pod in runs.pods if release_of(pod) == f"fails-{code}"]
    with_gpu = [pod for pod in mine if step_of(pod) in ("train", "evaluate", "describe")]
    assert {step_of(pod) for pod in with_gpu} == {"train"}
    tries = dict.fromkeys(range(40), 1) | {40: 1 if code in (65, 78) else 2}
    assert Counter(index_of(pod) for pod in with_gpu) == tries
    assert runs.codes[f"fails-{code}"] == (78 if code == 78 else 65)


@pytest.mark.parametrize("code", CODES)
def test_the_pipelines_last_words_name_shard_40_its_code_what_it_said_and_what_to_do(runs: Runs, code: int) -> None:
    words = runs.words[f"fails-{code}"]["event"]
    assert f"step train, index 40 failed with exit code {code} " in words
    assert f"code {code}: the pod's own last words" in words
    assert f"delete job fails-{code}-train-" in words


def test_1000_shards_cost_the_api_server_26_requests_of_the_pipeline(runs: Runs) -> None:
    """Eight templates read at first and once more when used, eight Jobs made, one list, one watch: as for one shard."""
    assert runs.codes["thousand"] == 0
    assert runs.words["thousand"]["api_calls"] == 8 + 8 + 8 + 1 + 1
    assert runs.requests == runs.words["thousand"]["api_calls"]
