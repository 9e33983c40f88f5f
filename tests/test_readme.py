"""The README is true: every shell command and every SQL statement in it runs, in order, in a fresh checkout.

Each block is a test of its own; a block needs what the blocks before it made. Blocks marked `sh cluster` are run by
tests/cluster, the release of one marked `sh release` is rendered here. Targets that run tests or benchmarks are only checked to exist.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from jobs.cli import COMMANDS
from tests.readme import ROOT, Block, blocks

RUN_ELSEWHERE = re.compile(
    r"^(make (test|test-quick|test-readme|test-kills|test-fuzz|test-faults|test-cluster|bench|check|clean)\b|\.ci/run)"
)
RUNNABLE = [block for block in blocks() if block.language in ("sh", "sh release", "sql")]
EXPORTS = (
    "descriptions.jsonl",
    "descriptions.csv",
    "descriptions.parquet",
    "published.csv",
    "report.html",
    "report.pdf",
    "summary.json",
)
SHORT = {"SKUSCRIBE_EPOCHS": "1", "SKUSCRIBE_ROUGE_ROWS": "4", "SKUSCRIBE_QUESTIONS": "4", "SKUSCRIBE_LIMIT": "8"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tracked files with the installed environment, whose services are stopped at the end."""
    folder = tmp_path_factory.mktemp("checkout") / "skuscribe"
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


def in_shell(folder: Path, script: str, variables: dict[str, str] | None = None) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SKUSCRIBE_", "AWS_", "PG", "MAKE"))
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=kept | (variables or {}),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (
        f"{script}\nended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


def commands_of(block: Block) -> list[str]:
    return [line for line in block.text.splitlines() if line and not RUN_ELSEWHERE.match(line)]


@pytest.mark.readme
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: f"line-{block.line}")
def test_the_block_runs(checkout: Path, block: Block) -> None:
    if block.language == "sql":
        out = subprocess.run(
            [checkout / ".skuscribe" / "psql", "-v", "ON_ERROR_STOP=1", "-qAt"],
            input=block.text, cwd=checkout, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert out.returncode == 0, out.stderr
        assert out.stdout.strip(), "no row came back"
    elif block.language == "sh release":
        assert all(line.startswith("helm install ") for line in block.text.splitlines())
        in_shell(checkout, block.text.replace("helm install", ".venv/bin/helm template"))
    else:
        # The first run is the README's own; a second one has to work, not to learn.
        repeated = "make run INPUT=" in block.text
        in_shell(checkout, "\n".join(commands_of(block)), SHORT if repeated else None)


@pytest.mark.readme
def test_the_run_wrote_every_file_that_the_readme_names(checkout: Path) -> None:
    for name in EXPORTS:
        assert (checkout / "out" / name).stat().st_size > 100, name
        assert f"`{name}`" in (ROOT / "README.md").read_text(), name
    assert (checkout / "out" / "model" / "model.safetensors").exists()


@pytest.mark.readme
def test_the_texts_of_the_sample_have_the_facts_of_their_titles(checkout: Path) -> None:
    facts = json.loads((checkout / "out" / "summary.json").read_text())["facts"]
    assert facts["texts"] >= 90
    assert facts["right"] >= 0.95 * facts["texts"], facts["not_right"]
    assert facts["published_right"] >= 0.99 * facts["published"], facts["not_right"]
    assert facts["published_guesses"] <= 0.05 * facts["published"], "published texts say what no title tells"


def test_the_readme_has_blocks_of_every_language() -> None:
    assert {block.language for block in blocks()} >= {"sh", "sh cluster", "sh release", "sql", "text"}


def test_every_command_of_a_shell_block_has_a_comment() -> None:
    for block in blocks():
        if block.language.startswith("sh"):
            for line in block.text.splitlines():
                assert "  # " in line, f"line {block.line} of the README: {line}"


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets


def test_every_setting_in_the_readme_exists() -> None:
    fields = {name for command in COMMANDS for name in import_module(command.settings).Settings.model_fields}
    named = set(re.findall(r"SKUSCRIBE_([A-Z_]+)", (ROOT / "README.md").read_text()))
    assert {name.lower() for name in named} <= fields | {"reader", "reader_password"}


def test_every_link_within_the_repository_resolves() -> None:
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_the_map_of_the_repository_names_every_package() -> None:
    text = (ROOT / "README.md").read_text()
    packages = sorted(path.parent.name for path in (ROOT / "jobs").glob("*/__init__.py"))
    missing = [name for name in packages if not re.search(rf"\b{name}/", text)]
    assert not missing
