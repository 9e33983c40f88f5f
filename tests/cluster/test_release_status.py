"""`skuscribe status --release` on a real cluster with simulated pods."""

import re

import pytest

from jobs.pipeline import job as pipeline
from jobs.pipeline import settings as pipeline_settings
from jobs.pipeline.cluster import Cluster
from jobs.pipeline.termination import StepFailed
from jobs.process.errors import NotReadyError
from jobs.status import job as status
from jobs.status import settings as status_settings

from .releases import Part, make_release

pytestmark = pytest.mark.usefixtures("simulated")


def test_it_shows_each_step_with_its_shards_failures_and_what_the_failed_pod_said(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend = {"exit-code": "65", "only-index": "2", "last-words": "row 17 is no text", "runs-for": "2s"}
    make_release(cluster, "demo", {"train": Part(5, pretend=pretend)})
    with pytest.raises(StepFailed):
        pipeline.run(pipeline_settings.Settings(release="demo", namespace=cluster.namespace))
    status.run(status_settings.Settings(release="demo", namespace=cluster.namespace, gpu_hour_price=0.8))
    text = capsys.readouterr().out
    print(text)
    assert re.search(r"^  prepare +complete +1/1 ", text, re.MULTILINE)
    assert re.search(r"^  train +failed +2/5 +1 ", text, re.MULTILINE)
    assert re.search(r"^  evaluate +waiting +0/1$", text, re.MULTILINE)
    assert re.search(r"train: pod demo-train-\S+ \(index 2, exit code 65\): row 17 is no text", text)
    assert re.search(r"GPU hours, \d+\.\d\d at 0\.80 an hour", text)


def test_a_release_that_is_not_there_is_not_ready(cluster: Cluster) -> None:
    with pytest.raises(NotReadyError, match="no release 'demo' in namespace"):
        status.run(status_settings.Settings(release="demo", namespace=cluster.namespace))
