"""Each job is killed at random moments and run again until it ends: it makes the same artifacts as an undisturbed run.

`--kills 20 --seed 7` kills each job twenty times with each signal. A failure prints the seed, which repeats the moments.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobs import steps
from jobs.local import services
from jobs.sample.rows import write_sample
from jobs.steps import Step
from jobs.storage import artifact, layout
from jobs.storage.artifact import Draft, Spec
from jobs.storage.layout import MANIFEST
from jobs.storage.store import Store
from tests import made

pytestmark = [pytest.mark.kills, pytest.mark.timeout(3600)]

NAME = "kills"
SETTINGS = {
    "CATALOGUE": NAME, "MODEL": NAME, "RUN": NAME, "BATCH": NAME, "MATCHER": NAME, "SOURCE": "tiny",
    "SHARD_ROWS": "90", "HELD_OUT_ROWS": "12", "QUESTIONS": "8", "PART_ROWS": "6", "LIMIT": "12",
    "EPOCHS": "2", "SAVE_EVERY_SECONDS": "1", "ROUGE_ROWS": "8",
}  # fmt: skip
EXIT_CODES = {"SIGKILL": {0, -9}, "SIGTERM": {0, 143, -15}}
"""The signals, and the exit codes of a job that gets one: 0 if it ended before."""

PREFIXES = {
    "prepare": layout.catalogue_path(NAME),
    "fetch-model": layout.model_path(NAME),
    "match": layout.matcher_path(NAME),
    "train": f"{layout.run_path(NAME)}/{layout.SHARD_PREFIX}",
    "evaluate": layout.evaluations_path(NAME),
    "describe": layout.export_path(NAME),
    "report": layout.report_path(NAME),
}
"""Where each step's artifacts are. The other steps write to Postgres."""

ROWS = {
    "embed": "SELECT encode(content_hash, 'hex'), embedding::text FROM skuscribe.embedded ORDER BY 1",
    "build": "SELECT catalogue, row, uid, title, content, cluster, split, encode(content_hash, 'hex'), embedding::text"
    " FROM skuscribe.product ORDER BY 1, 2",
}


@dataclass
class Undisturbed:
    """A release that ran without a kill: its environment, and for each step its seconds and what it made."""

    variables: dict[str, str]
    store: Store
    seconds: dict[str, float] = field(default_factory=dict)
    made: dict[str, object] = field(default_factory=dict)


@pytest.fixture(scope="module")
def undisturbed(service_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    rows = tmp_path_factory.mktemp("rows") / "rows.jsonl.gz"
    write_sample(rows, rows=240, seed=5)
    own = services.read_environment(service_folder) | {
        "SKUSCRIBE_STORE": "s3://skuscribe/kills",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(tmp_path_factory.mktemp("tmp")),
    }
    chosen = {f"SKUSCRIBE_{name}": value for name, value in (SETTINGS | {"INPUT": str(rows)}).items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SKUSCRIBE_", "AWS_", "PG"))}
    variables = kept | own | chosen
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        run = Undisturbed(variables, Store(own["SKUSCRIBE_STORE"]))
        for step in steps.in_order():
            started = time.monotonic()
            finish(step, run)
            run.seconds[step.name] = time.monotonic() - started
            run.made[step.name] = made_by(step, run)
        yield run


@pytest.mark.parametrize("step", steps.STEPS, ids=lambda step: step.name)
def test_a_job_that_is_killed_at_any_moment_makes_the_same_when_it_is_run_again(
    undisturbed: Undisturbed, step: Step, kills: int, seed: int
) -> None:
    """It is killed again while it resumes, with one signal after the other."""
    draw = random.Random(f"{seed} {step.name}")
    undo(step, undisturbed)
    if step.name == "report":  # it shows the seconds of the other steps, which were made again by the tests before
        finish(step, undisturbed)
        undisturbed.made[step.name] = made_by(step, undisturbed)
        undo(step, undisturbed)
    longest, killed = undisturbed.seconds[step.name], 0
    for signal_name in [*EXIT_CODES] * kills:
        code, seconds = run_and_kill(step, undisturbed, draw.uniform(0.05, 1.0) * longest, signal_name)
        assert code in EXIT_CODES[signal_name], f"exit code {code} on {signal_name}"
        if code:
            killed += 1
            continue
        longest = seconds  # it ended before the signal: a later kill is earlier
        assert made_by(step, undisturbed) == undisturbed.made[step.name]
        undo(step, undisturbed)
    assert killed or kills < 5, "no kill came before the job had ended"
    finish(step, undisturbed)
    assert made_by(step, undisturbed) == undisturbed.made[step.name], f"seed {seed}"
    assert leftovers(undisturbed.store) == []
    if step.name == "embed":  # the index went with the embeddings, and the tests after this one may need it
        finish(steps.by_name("build"), undisturbed)


def test_leftovers_are_the_objects_of_dead_attempts_and_checkpoints(store: Store) -> None:
    def add_weights(draft: Draft) -> dict[str, int]:
        draft.add_bytes("weights", b"weights")
        return {}

    with artifact.draft(store, "runs/main/shard-00000", "trained-shard", {}, {}) as dead:
        dead.add_bytes("weights", b"weights")
        whole = Spec(store, "runs/main/shard-00001", "trained-shard", {}, {})
        artifact.make_once(whole, add_weights)
        checkpoint = Spec(store, "runs/main/shard-00002/state/step-000004", "training-state", {}, {})
        saved = artifact.make_once(checkpoint, add_weights)
        store.write("runs/main/run.json", b"{}")
        assert leftovers(store) == sorted(
            [
                f"runs/main/shard-00000/{dead.attempt}/weights",
                f"{checkpoint.path}/{saved.manifest.files['weights'].key}",
                f"{checkpoint.path}/manifest.json",
            ]
        )


def command(step: Step) -> list[str]:
    return [sys.executable, "-m", "jobs", step.command, *step.arguments]


def finish(step: Step, run: Undisturbed) -> None:
    done = subprocess.run(command(step), env=run.variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{step.name} ended with {done.returncode}: {done.stderr[-3000:]}"


def run_and_kill(step: Step, run: Undisturbed, moment: float, signal_name: str) -> tuple[int, float]:
    """Run a step and send the signal after `moment` seconds. Returns the exit code and the seconds until it ended."""
    started = time.monotonic()
    process = subprocess.Popen(
        command(step), env=run.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.Signals[signal_name])
    return process.wait(600), time.monotonic() - started


def undo(step: Step, run: Undisturbed) -> None:
    """Remove what the step made, and nothing else."""
    if step.name in ROWS:
        made.rows(run.variables, "DROP SCHEMA IF EXISTS skuscribe CASCADE")
        if step.name == "build":
            finish(steps.by_name("embed"), run)
        return
    for path in paths(step, run):
        artifact.remove(run.store, path)


def paths(step: Step, run: Undisturbed) -> list[str]:
    """Return the paths of the step's artifacts, the parts of an artifact before the whole."""
    return sorted(artifact.paths(run.store, PREFIXES[step.name]), reverse=True)


def made_by(step: Step, run: Undisturbed) -> object:
    """Return the content that the step made: its rows, or the digests of its artifacts and of their files."""
    if step.name in ROWS:
        rows = made.rows(run.variables, ROWS[step.name])
        assert rows, f"{step.name} made no rows"
        return rows
    digests = made.digests(run.store, paths(step, run))
    assert digests, f"{step.name} made no artifact"
    return digests


def leftovers(store: Store) -> list[str]:
    """Return the keys of all objects that no manifest names, and of checkpoints, which a finished job removes."""
    keys = {stored.key for stored in store.objects("")}
    named = {key for key in keys if key.endswith((f"/{MANIFEST}", "/run.json", layout.CONDITIONAL_WRITES_PROBE))}
    for path in artifact.paths(store):
        made = artifact.find(store, path)
        assert made is not None
        named |= {f"{path}/{file.key}" for file in made.manifest.files.values()}
    return sorted(key for key in keys if key not in named or f"/{layout.CHECKPOINT_FOLDER}" in key)
