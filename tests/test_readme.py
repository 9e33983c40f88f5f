"""The README is true: every shell command and every SQL statement in it runs, in order, as a newcomer would run them.

Blocks marked `sh cluster` are run in tests/cluster; the release of one marked `sh release` is rendered here. `make test`,
`make bench` and the like are checked to exist and are not run from here: `.ci/run` runs them.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.readme import ROOT, blocks

NOT_FROM_HERE = re.compile(r"^(make (test|test-kills|test-cluster|bench|check|clean)\b|\.ci/run)")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tracked files with our environment in its place, and services of its own, stopped in the end."""
    folder = tmp_path_factory.mktemp("newcomer") / "skuscribe"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for mark in ("local", "dev"):
        (ROOT / ".venv" / mark).touch()
    yield folder
    in_shell(folder, "make stop")


def in_shell(folder: Path, script: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SKUSCRIBE_", "AWS_", "PG", "MAKE"))
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=kept | {"OMP_NUM_THREADS": "2"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (
        f"{script}\nended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


@pytest.mark.timeout(1800)
def test_every_command_and_statement_runs_in_order(checkout: Path) -> None:
    ran = 0
    for block in blocks():
        if block.language == "sql":
            script = block.text
            out = subprocess.run(
                [checkout / ".skuscribe" / "psql", "-v", "ON_ERROR_STOP=1", "-qAt"],
                input=script, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert out.returncode == 0, f"line {block.line} of the README: {out.stderr}"
            assert out.stdout.strip(), f"line {block.line} of the README: no row came back"
            ran += 1
        elif block.language == "sh":
            lines = [line for line in block.text.splitlines() if not NOT_FROM_HERE.match(line)]
            in_shell(checkout, "\n".join(lines))
            ran += 1
        elif block.language == "sh release":
            assert all(line.startswith("helm install ") for line in block.text.splitlines())
            in_shell(checkout, block.text.replace("helm install", ".venv/bin/helm template"))
            ran += 1
    assert ran >= 8


def test_the_run_left_all_that_the_readme_promises(checkout: Path) -> None:
    out = checkout / "out"
    if not out.exists():
        in_shell(checkout, "make run")
    for name in (
        "descriptions.jsonl",
        "descriptions.csv",
        "descriptions.parquet",
        "report.html",
        "report.pdf",
        "summary.json",
    ):
        assert (out / name).stat().st_size > 100, name
        assert f"`{name}`" in (ROOT / "README.md").read_text()
    assert (out / "model" / "model.safetensors").exists()


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets


def test_every_setting_it_names_exists() -> None:
    from importlib import import_module

    from jobs.cli import COMMANDS

    fields = {name for command in COMMANDS for name in import_module(command.settings).Settings.model_fields}
    named = set(re.findall(r"SKUSCRIBE_([A-Z_]+)", (ROOT / "README.md").read_text()))
    assert {name.lower() for name in named} <= fields | {"reader", "reader_password"}


def test_every_link_within_the_repository_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target
