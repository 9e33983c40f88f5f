"""`skuscribe status --release` on a real cluster with simulated pods."""

import re

import pytest

from jobs.pipeline import job as pipeline
from jobs.pipeline import settings as pipeline_settings
from jobs.pipeline.cluster import Cluster
from jobs.pipeline.termination import StepFailed
from jobs.process.errors import InputError, NotReadyError
from jobs.status import job as status
from jobs.status import settings as status_settings

from .releases import StepSpec, create_release

pytestmark = pytest.mark.usefixtures("simulated")


def test_the_status_has_each_step_with_its_indexes_failures_and_the_termination_message(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    end = {"exit-code": "65", "only-index": "2", "termination-message": "row 17 has no text", "runs-for": "2s"}
    create_release(cluster, "demo", {"train": StepSpec(5, simulated=end)})
    with pytest.raises(StepFailed):
        pipeline.run(pipeline_settings.Settings(release="demo", namespace=cluster.namespace))
    with pytest.raises(InputError, match="failed: train"):
        status.run(status_settings.Settings(release="demo", namespace=cluster.namespace, gpu_hour_price=0.8))
    text = capsys.readouterr().out
    assert re.search(r"^  prepare +complete +1/1 ", text, re.MULTILINE), text
    assert re.search(r"^  train +failed +2/5 +1 ", text, re.MULTILINE), text
    assert re.search(r"^  evaluate +waiting +0/1$", text, re.MULTILINE), text
    assert re.search(r"train: pod demo-train-\S+ \(index 2, exit code 65\): row 17 has no text", text), text
    assert re.search(r"GPU hours, \d+\.\d\d at 0\.80 per hour", text), text


def test_a_missing_release_is_not_ready(cluster: Cluster) -> None:
    with pytest.raises(NotReadyError, match="no release 'demo' in namespace"):
        status.run(status_settings.Settings(release="demo", namespace=cluster.namespace))
