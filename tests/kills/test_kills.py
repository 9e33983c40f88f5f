"""Each job killed at random moments, again and again, and run once more: the same artifacts as an undisturbed run.

`--kills 20 --seed 7` kills each job twenty times with each signal; a failure prints the seed that shows it again.
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

from jobs import sample
from jobs import steps as plan
from jobs.local import services
from jobs.storage import artifact
from jobs.storage.store import Store

pytestmark = [pytest.mark.kills, pytest.mark.timeout(3600)]

NAME = "kills"
SETTINGS = {
    "CATALOGUE": NAME, "MODEL": NAME, "RUN": NAME, "BATCH": NAME, "SOURCE": "tiny",
    "SHARD_ROWS": "90", "HELD_OUT_ROWS": "12", "QUESTIONS": "8", "PART_ROWS": "6", "LIMIT": "12",
    "EPOCHS": "2", "SAVE_EVERY_SECONDS": "1", "ROUGE_ROWS": "8",
}  # fmt: skip
ARTIFACTS = {
    "prepare": f"catalogue/{NAME}",
    "fetch-model": f"models/{NAME}",
    "train": f"runs/{NAME}/shard-",
    "evaluate": f"runs/{NAME}/evaluation/",
    "describe": f"exports/{NAME}",
    "report": f"runs/{NAME}/report",
}
TABLES = "SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM ({}) AS row"
INDEXED_ROWS = TABLES.format(
    "SELECT catalogue, uid, title, content, cluster, split, content_hash, embedding::text FROM skuscribe.product"
)


@dataclass
class Undisturbed:
    """A whole run that nobody disturbed: its environment, and what each step took and made."""

    variables: dict[str, str]
    store: Store
    seconds: dict[str, float] = field(default_factory=dict)
    made: dict[str, object] = field(default_factory=dict)


@pytest.fixture(scope="module")
def undisturbed(service_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    rows = tmp_path_factory.mktemp("rows") / "rows.jsonl.gz"
    sample.write_sample(rows, rows=240, seed=5)
    found = services.read_environment(service_folder) | {
        "SKUSCRIBE_STORE": "s3://skuscribe/kills",
        "OMP_NUM_THREADS": "1",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SKUSCRIBE_", "AWS_", "PG"))}
    chosen = {f"SKUSCRIBE_{key}": value for key, value in (SETTINGS | {"INPUT": str(rows)}).items()}
    variables = kept | found | chosen | {"TMPDIR": str(tmp_path_factory.mktemp("tmp"))}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        result = Undisturbed(variables, Store(found["SKUSCRIBE_STORE"]))
        for step in plan.in_order():
            began = time.monotonic()
            finish(step, result)
            result.seconds[step.name] = time.monotonic() - began
        for step in plan.STEPS:
            result.made[step.name] = fingerprint(step, result)
        yield result


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("step", plan.STEPS, ids=lambda step: step.name)
def test_killed_anywhere_and_run_again_it_makes_the_same(
    undisturbed: Undisturbed, step: plan.Step, signal_name: str, kills: int, seed: int
) -> None:
    moments = random.Random(f"{seed} {step.name} {signal_name}")
    undo(step, undisturbed)
    if step.name == "report":  # it tells the timings of the steps before it, which other tests have made again
        finish(step, undisturbed)
        undisturbed.made[step.name] = fingerprint(step, undisturbed)
        undo(step, undisturbed)
    survived = 0
    for _ in range(kills):
        code = kill_at(step, undisturbed, moments.uniform(0.05, 1.0) * undisturbed.seconds[step.name], signal_name)
        assert code in {"SIGKILL": {0, -9}, "SIGTERM": {0, 143, -15}}[signal_name], f"exit code {code} on {signal_name}"
        if code == 0:  # it was done before the signal came: from the beginning again
            survived += 1
            assert fingerprint(step, undisturbed) == undisturbed.made[step.name]
            undo(step, undisturbed)
    finish(step, undisturbed)
    assert fingerprint(step, undisturbed) == undisturbed.made[step.name], f"seed {seed}"
    assert no_leftovers(undisturbed)
    assert survived <= kills


def command(step: plan.Step) -> list[str]:
    return [sys.executable, "-m", "jobs", step.command, *step.arguments]


def finish(step: plan.Step, run: Undisturbed) -> None:
    done = subprocess.run(command(step), env=run.variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{step.name} ended with {done.returncode}: {done.stderr[-3000:]}"


def kill_at(step: plan.Step, run: Undisturbed, seconds: float, signal_name: str) -> int:
    process = subprocess.Popen(
        command(step), env=run.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.Signals[signal_name])
    return process.wait(60)


def undo(step: plan.Step, run: Undisturbed) -> None:
    """Take away what the step made, and nothing else."""
    if step.name in ("embed", "build"):
        owner(run, "DROP SCHEMA IF EXISTS skuscribe CASCADE")
        if step.name == "build":
            finish(next(item for item in plan.STEPS if item.name == "embed"), run)
        return
    for path in paths(step, run):
        artifact.remove(run.store, path)


def paths(step: plan.Step, run: Undisturbed) -> list[str]:
    """The artifacts that the step makes, those below others first."""
    prefix = ARTIFACTS[step.name]
    found = {
        item.key.removesuffix("/manifest.json")
        for item in run.store.objects(prefix)
        if item.key.endswith("/manifest.json")
    }
    return sorted(found, reverse=True)


def fingerprint(step: plan.Step, run: Undisturbed) -> object:
    """What the step made, whoever made it and when."""
    if step.name == "embed":
        return None  # what it embeds is seen once it is built
    if step.name == "build":
        return owner(run, INDEXED_ROWS)
    made = {}
    for path in paths(step, run):
        found = artifact.find(run.store, path)
        assert found is not None
        made[path] = found.digest
        # What the digest is made of, so that a failure says which file it is.
        made |= {f"{path}/{name}": item.sha256 for name, item in found.manifest.files.items() if not item.measured}
    assert made, f"{step.name} made nothing"
    return made


def no_leftovers(run: Undisturbed) -> bool:
    """Whether every object belongs to a committed artifact: no half attempt, no saved state."""
    left = [item.key for item in run.store.objects("") if "/state/" in item.key]
    assert left == []
    return True


def owner(run: Undisturbed, statement: str) -> object:
    import psycopg

    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    where = psycopg.conninfo.make_conninfo("", **{key: run.variables[name] for key, name in names.items()})
    with psycopg.connect(where) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None
