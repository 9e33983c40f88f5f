"""The pipeline killed at random moments and cut off from the API server: no step is lost or launched twice."""

import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from jobs.pipeline.cluster import Cluster, Listing, Resource
from jobs.pipeline.job import Pipeline, Release
from jobs.pipeline.launch import SELECTOR_LABELS
from jobs.pipeline.watch import changes
from jobs.process.errors import NotReadyError

from . import api_server
from .recorder import NEEDS, Recorder, step_of
from .relay import Relay
from .releases import StepSpec, create_release
from .running import job_uids, launched, log_records, start_pipeline, wait_until_launched
from .waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("simulated")

SPECS = {"train": StepSpec(10), "evaluate": StepSpec(4, 4), "embed": StepSpec(4, 4)}
KILLS, CUTS, RESTARTS = 8, 10, 2


@pytest.fixture
def moments() -> random.Random:
    """Random moments. A failed test shows the seed that repeats them."""
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={seed}")
    return random.Random(seed)


def assert_launched_once(recorder: Recorder, output: Path) -> None:
    created = Counter(step_of(job) for job in recorder.jobs_created("demo"))
    assert created == dict.fromkeys(NEEDS, 1)
    assert max(Counter(launched(output)).values()) == 1


def wait_until_logged(output: Path, records: int) -> None:
    """Wait until a log has more than this number of records."""
    wait_until(lambda: len(log_records(output)) > records, "the pipeline logs something", interval=0.05)


def test_a_pipeline_that_is_killed_at_random_moments_launches_no_step_twice(
    cluster: Cluster, tmp_path: Path, moments: random.Random
) -> None:
    output, exit_codes = tmp_path / "log", []
    output.touch()
    create_release(cluster, "demo", SPECS)
    with Recorder(cluster.namespace) as recorder:
        for _ in range(KILLS):
            records = len(log_records(output))
            process = start_pipeline(cluster, "demo", output)
            if moments.random() < 0.8:  # the others may be killed before their first log record
                wait_until_logged(output, records)
            time.sleep(moments.uniform(0, 2))
            process.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM]))
            exit_codes.append(process.wait(DEADLINE_SECONDS))
        assert start_pipeline(cluster, "demo", output).wait(DEADLINE_SECONDS) == 0
    # Before the handlers are installed, SIGTERM ends the process like any other one. 0: it was complete before the kill.
    assert set(exit_codes) <= {-signal.SIGKILL, -signal.SIGTERM, 143, 0}
    assert set(exit_codes) != {0}
    assert_launched_once(recorder, output)
    recorder.assert_gpu_pods_had_their_inputs("demo")


def test_sigterm_ends_a_pipeline_with_143(cluster: Cluster, tmp_path: Path) -> None:
    create_release(cluster, "demo", {"prepare": StepSpec(simulated={"runs-for": "10m"})})
    process = start_pipeline(cluster, "demo", tmp_path / "log")
    wait_until_launched(process, tmp_path / "log")
    process.terminate()
    assert process.wait(DEADLINE_SECONDS) == 143


def test_a_pipeline_survives_repeated_disconnections(cluster: Cluster, tmp_path: Path, moments: random.Random) -> None:
    output = tmp_path / "log"
    create_release(cluster, "demo", SPECS)
    with Recorder(cluster.namespace) as recorder, Relay(tmp_path) as relay:
        process = start_pipeline(cluster, "demo", output, relay.kubeconfig)
        wait_until_launched(process, output)
        for _ in range(CUTS):
            relay.cut_for(moments.uniform(0.1, 1.5))
            time.sleep(moments.uniform(0.2, 2.0))
        assert process.wait(DEADLINE_SECONDS) == 0
    assert any(record["event"].startswith("retrying") for record in log_records(output))
    assert_launched_once(recorder, output)
    recorder.assert_gpu_pods_had_their_inputs("demo")


@pytest.mark.skipif(not api_server.pid_file().exists(), reason="the API server is not a process of this machine")
def test_a_pipeline_survives_restarts_of_the_api_server(
    cluster: Cluster, tmp_path: Path, moments: random.Random
) -> None:
    output = tmp_path / "log"
    create_release(cluster, "demo", {**SPECS, "train": StepSpec(20)})
    with Recorder(cluster.namespace) as recorder:
        process = start_pipeline(cluster, "demo", output)
        wait_until_launched(process, output)
        for _ in range(RESTARTS):
            time.sleep(moments.uniform(0, 3))
            api_server.restart(moments.uniform(0, 3))
        assert process.wait(2 * DEADLINE_SECONDS) == 0
    assert_launched_once(recorder, output)


def test_a_long_outage_of_the_api_server_is_not_ready(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_release(cluster, "demo", {"prepare": StepSpec(simulated={"runs-for": "10m"})})
    with Relay(tmp_path) as relay:
        monkeypatch.setenv("KUBECONFIG", str(relay.kubeconfig))
        impatient = Cluster(cluster.namespace, retry_seconds=2)
        release = Release(
            name="demo", needs={"prepare": ()}, run="main", template_hashes={}, max_shards=None, max_disruptions=20
        )
        pipeline = Pipeline(impatient, release, lambda: 1)

        def cut_after_the_launch() -> None:
            wait_until(lambda: job_uids(cluster), "the pipeline launches a Job")
            relay.cut()

        threading.Thread(target=cut_after_the_launch, daemon=True).start()
        with pytest.raises(NotReadyError, match="can't be reached"):
            pipeline.run()


class StaleCluster(Cluster):
    """The real cluster, except that its first list has the oldest resource version."""

    lists = 0

    def list(self, resource: Resource, labels: str, fields: str = "") -> Listing:
        listing = super().list(resource, labels, fields)
        self.lists += 1
        return listing if self.lists > 1 else Listing(listing.items, "1")


def test_everything_is_listed_again_when_the_version_has_expired(cluster: Cluster) -> None:
    create_release(cluster, "demo", {"prepare": StepSpec()})
    stale = StaleCluster(cluster.namespace)
    first = changes(stale, f"{SELECTOR_LABELS[0]}=skuscribe")
    assert [next(first).kind, next(first).kind] == ["listed", "listed"]
    assert stale.lists == 2
