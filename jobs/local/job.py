"""All of it on this machine: raw rows in, checked descriptions out, with embedded Postgres and S3.

Runs every job in the order of `jobs.plan`, each a process of its own, exactly as the cluster would. What is done is found
done; what was interrupted goes on. Reads raw rows; writes descriptions (JSON Lines, CSV, Parquet), report.html,
report.pdf, the trained model's folder and summary.json into OUT. Try: skuscribe local --out out
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jobs import steps as plan
from jobs.local import results, services
from jobs.local.settings import Settings
from jobs.process import lifecycle, log
from jobs.process.errors import ConfigurationError, Interrupted, JobError
from jobs.storage.store import Store

SAMPLE_DEFAULTS = {
    "SHARD_ROWS": "240", "HELD_OUT_ROWS": "40", "QUESTIONS": "40", "PART_ROWS": "20",
    "EPOCHS": "6", "TARGET_TOKENS_PER_BATCH": "384", "ROUGE_ROWS": "10",
}  # fmt: skip
"""Sizes for the generated sample: enough rows for three shards, so that a first run shows a chain."""

TINY_DEFAULTS = {"LEARNING_RATE": "0.003"}
"""A model that starts from nothing learns at a rate that would undo a trained one."""

GRACE_SECONDS = 60.0


def run(settings: Settings) -> None:
    """Do everything that is not done yet, then say what was made. Errors: those of the step that fails, with its code."""
    state = settings.state.resolve()
    if settings.only_stop:
        stopped = services.stop(state)
        print(f"stopped {' and '.join(stopped)}" if stopped else "no service was running")
        return
    if settings.only_clean:
        services.stop(state)
        gone = [*results.remove(settings.out), *services.remove(state)]
        print("\n".join(f"removed {os.path.relpath(path)}" for path in gone) or "there was nothing to remove")
        return
    name = settings.name or _name_of(settings.out)
    started = time.monotonic()
    log.info("starting Postgres and S3", folder=str(state))
    environment = services.start(state)
    services.adopt(environment)
    rows = settings.input or str(_sample(state))
    variables = _variables(settings, name, rows, state)
    seconds = {}
    for step in plan.in_order(plan.steps(float(variables.get("SKUSCRIBE_RETRIEVAL_SHARE", 0)))):
        began = time.monotonic()
        _run_step(step, variables)
        seconds[step.name] = round(time.monotonic() - began, 1)
    summary = results.collect(Store(environment["SKUSCRIBE_STORE"]), name, settings.out)
    summary["seconds"] = {**seconds, "total": round(time.monotonic() - started, 1)}
    results.write_atomically(settings.out / results.SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False).encode())
    print(_table(summary, settings.out))
    print(_next_commands(name, state))


def _name_of(out: Path) -> str:
    """A name from the output folder's: `out` and `./results/June Run` become `out` and `june-run`."""
    name = re.sub(r"[^a-z0-9]+", "-", out.resolve().name.lower()).strip("-")[:40].strip("-")
    if not name:
        raise ConfigurationError(f"no name can be made of --out {out}: give one with --name")
    return name


def _sample(state: Path) -> Path:
    """The generated sample, made once."""
    path = state / services.SAMPLE_FILE
    if not path.exists():
        from jobs import sample

        unfinished = path.with_suffix(".new")
        sample.write_sample(unfinished, rows=720, seed=13)
        unfinished.replace(path)
    return path


def _variables(settings: Settings, name: str, rows: str, state: Path) -> dict[str, str]:
    """The environment of the jobs: ours, the services', and the names; a variable that the user has set stays."""
    temporary = state / services.TEMPORARY
    temporary.mkdir(exist_ok=True)
    chosen = {
        "LIMIT": str(settings.describe),
        **({} if settings.input else SAMPLE_DEFAULTS),
        **(TINY_DEFAULTS if settings.source == "tiny" else {}),
    }
    fixed = {
        "INPUT": rows, "SOURCE": settings.source, "CATALOGUE": name, "MODEL": name, "RUN": name, "BATCH": name,
        **({"TOKENIZER": settings.tokenizer} if settings.tokenizer else {}),
        **({} if settings.retrieval_share is None else {"RETRIEVAL_SHARE": str(settings.retrieval_share)}),
    }  # fmt: skip
    return (
        {f"SKUSCRIBE_{key}": value for key, value in chosen.items()}
        | dict(os.environ)
        | {f"SKUSCRIBE_{key}": value for key, value in fixed.items()}
        | {"TMPDIR": str(temporary), "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    )


def _run_step(step: plan.Step, variables: dict[str, str]) -> None:
    """Run one step to its end. Errors: a `JobError` with the step's own exit code."""
    log.info(f"step {step.name}")
    command = [sys.executable, "-m", "jobs", step.command, *step.arguments]
    with lifecycle.deferred() as stop:
        # A session of its own: Ctrl-C reaches us alone, and we hand it on as SIGTERM, once.
        process = subprocess.Popen(command, env=variables, start_new_session=True, preexec_fn=_end_with_parent)
        try:
            while process.poll() is None:
                if stop.requested:
                    process.terminate()
                    process.wait(GRACE_SECONDS)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        except (Interrupted, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
    if process.returncode:
        raise _StepFailed(step.name, process.returncode)


class _StepFailed(JobError):
    def __init__(self, step: str, code: int) -> None:
        self.exit_code = code if code > 0 else 128 - code  # type: ignore[misc]  # the step's own code, not a class's
        super().__init__(
            f"step {step} ended with exit code {self.exit_code}: its last lines say why; the same command goes on from there"
        )


def _end_with_parent() -> None:
    """Ask Linux to send this child SIGTERM when its parent dies, so that no orphan trains on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _table(summary: dict[str, Any], out: Path) -> str:
    """What was made: one line a result."""
    data, model, texts = summary["catalogue"], summary["model"], summary["descriptions"]
    rows = [
        ("catalogue", f"{data['kept']:,} products of {data['read']:,} rows, {data['rejected']:,} rejected, {data['shards']} shards", ""),
        ("model", f"shard {model['shard']}, validation loss {_figure(model['validation_loss'])}, ROUGE-L {_figure(model['rougeL'])}", "model/"),
        ("descriptions", f"{texts['products']:,}: {texts['published']:,} published, {texts['flagged']:,} flagged, {texts['failed']:,} failed",
         "descriptions.jsonl .csv .parquet"),
        ("report", "every stage, side by side", "report.html report.pdf"),
        ("time", f"{summary['seconds']['total']:,.0f} s", "summary.json"),
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return f"\nin {out}/\n" + "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _next_commands(name: str, state: Path) -> str:
    shown = os.path.relpath(state)
    program = os.path.relpath(Path(sys.executable).parent / "skuscribe")
    return f"""
to go on
  {shown}/psql -c "TABLE skuscribe.coverage"
  . {shown}/environment
  {program} status
  {program} artifacts --path runs/{name}
  {program} describe --run {name} --catalogue {name} --query "Stainless steel water bottle 750 ml"
  make stop"""
