"""The settings of the pipeline, and its error without a cluster. tests/cluster has the other tests."""

import subprocess
import sys

import pytest

from jobs.pipeline.job import run
from jobs.pipeline.settings import Settings
from jobs.process.command_line import parse
from jobs.process.errors import ConfigurationError


def test_an_unknown_step_is_rejected_with_the_list_of_steps() -> None:
    with pytest.raises(
        ConfigurationError, match=r"expected steps of this list.*: prepare, fetch-model.*found 'prepare,trian'"
    ):
        parse(Settings, "pipeline", "", ["--steps", "prepare,trian"])


@pytest.mark.parametrize("address", ["services:99999", "services:0", "services"])
def test_an_address_to_wait_for_needs_a_port(address: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"--wait-for .*found 's3:8333,{address}'"):
        parse(Settings, "pipeline", "", ["--wait-for", f"s3:8333,{address}"])


def test_missing_credentials_are_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")
    with pytest.raises(ConfigurationError, match=r"no usable credentials.*[^.]\. Set KUBECONFIG"):
        run(Settings())


def test_a_missing_kubernetes_package_is_a_configuration_error() -> None:
    program = "import sys; sys.modules['kubernetes'] = None; from jobs.cli import main; sys.exit(main(['pipeline']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == ConfigurationError.exit_code, done.stderr
    assert "pip install '.[cluster]'" in done.stderr
