"""Renders the chart with the real helm."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .documentation import CHART

Manifest = dict[str, Any]
HELM = Path(sys.executable).parent / "helm"
PROD = (
    "store.url=s3://bucket/prefix",
    "store.existingSecret=s3-keys",
    "postgres.host=db.example",
    "postgres.existingSecret=db-password",
    "prepare.settings.input=s3://bucket/raw/rows.json.gz",
)
DEMO = ("demo.enabled=true",)


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run helm. Returns its output and exit code."""
    return subprocess.run([str(HELM), *words], capture_output=True, text=True, check=False)


@cache
def _template(release: str, options: tuple[str, ...]) -> str:
    done = helm("template", release, str(CHART), "--namespace", "somewhere", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(*values: str, release: str = "prod", file: Path | None = None) -> list[Manifest]:
    """Return the manifests of a release with these `--set` values."""
    options = [word for value in values for word in ("--set", value)]
    if file is not None:
        options += ["--values", str(file)]
    return [item for item in yaml.load_all(_template(release, tuple(options)), Loader=yaml.CSafeLoader) if item]


def error_of(*values: str) -> str:
    """Return the error of helm for values that it must reject."""
    done = helm("template", "prod", str(CHART), *[word for value in values for word in ("--set", value)])
    assert done.returncode != 0, "helm accepts these values"
    return done.stderr


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind by name."""
    return {item["metadata"]["name"]: item for item in manifests if item["kind"] == kind}


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield every pod template, with the kind and name of its owner."""
    for item in manifests:
        name = f"{item['kind']} {item['metadata']['name']}"
        if item["kind"] == "CronJob":
            yield name, item["spec"]["jobTemplate"]["spec"]["template"]
        elif item["kind"] in ("Job", "Deployment"):
            yield name, item["spec"]["template"]
        elif item["kind"] == "Pod":
            yield name, item


def environment_of(pod: Manifest) -> dict[str, Manifest]:
    """Return the variables of a pod's container by name."""
    return {item["name"]: item for item in pod["spec"]["containers"][0]["env"]}
