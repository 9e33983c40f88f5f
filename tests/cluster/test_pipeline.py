"""The pipeline on a real cluster with simulated pods: order, failures, and being killed."""

import pytest

from jobs import pipeline
from jobs.cluster import JOBS, Cluster
from jobs.last_words import StepFailed

from .releases import Part, make_release

pytestmark = pytest.mark.usefixtures("simulated")


def run_pipeline(cluster: Cluster, release: str = "demo") -> None:
    pipeline.run(pipeline.Settings(release=release, namespace=cluster.namespace, patience_seconds=60))


def jobs_made(cluster: Cluster) -> dict[str, str]:
    """Names of the Jobs in the namespace, each with its uid."""
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in cluster.list(JOBS, "").items}


def test_every_step_runs_and_a_second_pipeline_finds_all_of_it_done(cluster: Cluster) -> None:
    make_release(cluster, "demo", {"train": Part(3), "evaluate": Part(4, 4), "embed": Part(2, 2)})
    run_pipeline(cluster)
    made = jobs_made(cluster)
    assert len(made) == 8
    run_pipeline(cluster)
    assert jobs_made(cluster) == made


def test_a_poisoned_shard_ends_it_with_its_index_its_code_and_its_last_words(cluster: Cluster) -> None:
    pretend = {"exit-code": "65", "only-index": "1", "last-words": "row 17 of shard 1 has no text: remove it"}
    make_release(cluster, "demo", {"train": Part(3, pretend=pretend)})
    with pytest.raises(
        StepFailed, match=r"step train, index 1 failed with exit code 65.*row 17 of shard 1.*delete job demo-train-"
    ) as raised:
        run_pipeline(cluster)
    assert raised.value.exit_code == 65
    assert not any("evaluate" in name or "describe" in name for name in jobs_made(cluster))
