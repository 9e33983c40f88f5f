"""The settings of the pipeline, and what it says where there is no cluster. The rest is in tests/cluster."""

import pytest

from jobs.pipeline.job import run
from jobs.pipeline.settings import Settings
from jobs.process.errors import ConfigurationError
from jobs.process.settings import parse


def test_an_unknown_step_is_refused_with_the_steps_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no step trian; the steps are prepare, fetch-model"):
        parse(Settings, "pipeline", "", ["--steps", "prepare,trian"])


def test_without_a_cluster_it_says_what_to_point_it_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")
    with pytest.raises(ConfigurationError, match=r"no usable credentials.*KUBECONFIG"):
        run(Settings())
