"""The pipeline killed at random moments, and cut off from the API server: nothing is lost, nothing launched twice."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from jobs.pipeline.cluster import JOBS, Cluster, Listing, Resource
from jobs.pipeline.launch import SELECTED_BY
from jobs.pipeline.watch import follow

from . import api_server
from .line import CutLine
from .recorder import NEEDS, Recorder, step_of
from .releases import Part, make_release
from .running import facts, launched, start_pipeline

pytestmark = pytest.mark.usefixtures("simulated")

PARTS = {"train": Part(10), "evaluate": Part(4, 4), "embed": Part(4, 4)}


@pytest.fixture
def moments() -> random.Random:
    """Random moments; a failed test shows the seed that brings them back."""
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={seed}")
    return random.Random(seed)


def assert_launched_once(recorder: Recorder, output: Path) -> None:
    made = Counter(step_of(job) for job in recorder.jobs_added("demo"))
    assert made == dict.fromkeys(NEEDS, 1)
    assert max(Counter(launched(output)).values()) == 1


def wait_until_launched(process: subprocess.Popen[bytes], output: Path) -> None:
    while not launched(output):
        assert process.poll() is None
        time.sleep(0.1)


def test_killed_at_random_moments_it_launches_nothing_twice(
    cluster: Cluster, tmp_path: Path, moments: random.Random
) -> None:
    output, kills, code = tmp_path / "log", 0, None
    output.touch()
    make_release(cluster, "demo", PARTS)
    with Recorder(cluster.namespace) as recorder:
        while code is None:
            said = output.stat().st_size
            process = start_pipeline(cluster, "demo", output)
            if moments.random() < 0.8:  # else it may be killed before it has said anything
                while output.stat().st_size == said:
                    time.sleep(0.05)
            try:
                code = process.wait(moments.uniform(0, 2))
            except subprocess.TimeoutExpired:
                process.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM]))
                # Before Python has come to our handlers, SIGTERM ends it as it ends any process.
                assert process.wait(20) in (-signal.SIGKILL, -signal.SIGTERM, 143, 0)
                kills += 1
            assert kills < 60
    assert code == 0
    assert kills >= 5
    assert_launched_once(recorder, output)
    recorder.assert_gpu_pods_had_their_inputs("demo")


def test_sigterm_ends_it_at_once_with_143(cluster: Cluster, tmp_path: Path) -> None:
    make_release(cluster, "demo", {"prepare": Part(pretend={"runs-for": "60s"})})
    process = start_pipeline(cluster, "demo", tmp_path / "log")
    wait_until_launched(process, tmp_path / "log")
    process.terminate()
    assert process.wait(5) == 143


def test_cut_off_from_the_api_server_again_and_again_it_goes_on(
    cluster: Cluster, tmp_path: Path, moments: random.Random
) -> None:
    output = tmp_path / "log"
    make_release(cluster, "demo", PARTS)
    with Recorder(cluster.namespace) as recorder, CutLine(tmp_path) as line:
        process = start_pipeline(cluster, "demo", output, line.kubeconfig)
        cuts = 0
        while process.poll() is None and cuts < 60:
            line.stay_up(moments.uniform(0.2, 2.0))
            line.cut(moments.uniform(0.1, 1.5))
            cuts += 1
        line.stay_up(0)
        assert process.wait(60) == 0
    assert cuts >= 3
    assert_launched_once(recorder, output)
    recorder.assert_gpu_pods_had_their_inputs("demo")


@pytest.mark.skipif(not api_server.pid_file().exists(), reason="the API server is no process of this machine")
def test_the_api_server_is_killed_and_started_again_twice(
    cluster: Cluster, tmp_path: Path, moments: random.Random
) -> None:
    output = tmp_path / "log"
    make_release(cluster, "demo", {**PARTS, "train": Part(20)})
    with Recorder(cluster.namespace) as recorder:
        process = start_pipeline(cluster, "demo", output)
        wait_until_launched(process, output)
        for _ in range(2):
            time.sleep(moments.uniform(0, 3))
            api_server.restart(moments.uniform(0, 3))
        assert process.wait(200) == 0
    assert_launched_once(recorder, output)


def test_an_api_server_that_stays_away_is_75(cluster: Cluster, tmp_path: Path) -> None:
    make_release(cluster, "demo", {"prepare": Part(pretend={"runs-for": "60s"})})
    with CutLine(tmp_path) as line:
        process = start_pipeline(cluster, "demo", tmp_path / "log", line.kubeconfig, patience_seconds=2)
        wait_until_launched(process, tmp_path / "log")
        line.cut(None)
        assert process.wait(30) == 75
    assert "can't be reached" in facts(tmp_path / "log")[-1]["event"]


class StaleCluster(Cluster):
    """The real cluster, except that its first list claims to be as old as the cluster itself."""

    lists = 0

    def list(self, kind: Resource, labels: str, fields: str = "") -> Listing:
        found = super().list(kind, labels, fields)
        self.lists += 1
        return found if self.lists > 1 else Listing(found.items, "1")


def test_when_what_was_seen_last_is_too_old_everything_is_listed_again(cluster: Cluster) -> None:
    make_release(cluster, "demo", {"prepare": Part()})
    stale = StaleCluster(cluster.namespace)
    changes = follow(stale, JOBS, f"{SELECTED_BY[0]}=skuscribe")
    assert [next(changes).kind, next(changes).kind] == ["listed", "listed"]
    assert stale.lists == 2
