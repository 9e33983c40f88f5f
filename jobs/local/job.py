"""Run every job in order on this machine, with local Postgres and S3 servers.

Starts the servers, runs each step in a process, as the cluster runs it in a pod, and collects the results. Reads raw rows;
writes the results into OUT.
"""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from jobs import steps
from jobs.local import facts, lock, processes, results, services, summary
from jobs.local.settings import Settings
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError
from jobs.process.settings import PREFIX, flag, variable
from jobs.sample.rows import write_sample
from jobs.storage.store import Store
from jobs.t5.files import TINY, check_folder, expanded, looks_like_folder

SAMPLE_ROWS, SAMPLE_SEED = 2100, 13

SAMPLE_DEFAULTS = {
    "SHARD_ROWS": "680",  # three shards, so that a first run shows a chain of models
    "HELD_OUT_ROWS": "100",
    "QUESTIONS": "25",
    "PART_ROWS": "50",  # two parts to describe
    "EPOCHS": "3",
    "BATCH_ROWS": "16",  # batches of 4,096 tokens would give 20 steps per shard, too few to learn the facts
    "ROUGE_ROWS": "10",
}
"""Settings for the generated sample: a run of a few minutes that includes every step."""

TINY_DEFAULTS = {"LEARNING_RATE": "0.006"}
"""The tiny model has random weights and needs a high learning rate, which would destroy the weights of a pretrained model."""


def run(settings: Settings) -> None:
    """Run every step that is not done yet, and print the results. Errors: those of a failed step, with its exit code."""
    state = settings.state.resolve()
    if settings.only_stop:
        stopped = services.stop(state)
        none = f"no service was running in the state folder {state} (--state)"
        print(f"stopped {' and '.join(stopped)}" if stopped else none)
    elif settings.only_clean:
        of_services = services.remove(state)  # first: it fails if another process uses the folder
        removed = [*results.remove(settings.out), *of_services]
        none = (
            f"there was nothing to remove in the state folder {state} (--state) and in {settings.out.resolve()} (--out)"
        )
        print("\n".join(f"removed {os.path.relpath(path)}" for path in removed) or none)
    else:
        _run_all(settings, state)


def name_from(out: Path) -> str:
    """Return the name of the run of an output folder: `june-run` for `./results/June Run`."""
    name = re.sub(r"[^a-z0-9]+", "-", out.resolve().name.lower()).strip("-")[:40].strip("-")
    if not name:
        raise ConfigurationError(f"--out {out} has no letters or digits to make a name from: give one with --name")
    return name


def _run_all(settings: Settings, state: Path) -> None:
    _require_no_s3_address(settings)
    _require_model(settings.source)
    name = settings.name or name_from(settings.out)
    folders.require_writable(settings.out, results.OUT)
    folders.require_writable(settings.state, "--state")
    results.require_no_foreign_files(settings.out)
    started = time.monotonic()
    log.info("starting Postgres and S3", folder=str(state))
    own_variables = services.start(state)
    services.adopt(own_variables)
    rows = settings.input or str(_sample(state / services.SAMPLE_FILE))
    temporary = state / services.TEMPORARY
    temporary.mkdir(exist_ok=True)
    variables = step_variables(settings, name, rows, temporary)
    at_once = settings.steps_at_once or (2 if settings.source == TINY else 1)
    seconds = processes.run(steps.steps(settings.retrieval_share), variables, at_once)
    seconds["total"] = round(time.monotonic() - started, 1)
    figures = results.collect(Store(own_variables["SKUSCRIBE_STORE"]), name, settings.out) | {"seconds": seconds}
    if not settings.input:
        figures["facts"] = asdict(facts.count_facts(settings.out / results.LINES))
    results.write_summary(settings.out, figures)
    print(summary.table(figures, settings.out))
    if advice := summary.nothing_published(figures, tiny=settings.source == TINY):
        print(advice)
    print(summary.next_commands(name, state, results.example_title(settings.out)))


def _require_no_s3_address(settings: Settings) -> None:
    """Raise `ConfigurationError` (78) naming each setting with an s3:// address.

    The address is not shown: it may have a password.
    """
    addresses = {"input": settings.input, "source": settings.source, "tokenizer": settings.tokenizer}
    names = [name for name, address in addresses.items() if address.lower().startswith("s3://")]
    if names:
        wrong = ", ".join(f"{flag(name)} ({variable(name)})" for name in names)
        raise ConfigurationError(
            f"{wrong}: found an s3:// address, but `make run` and `skuscribe local` use an S3 server of their own, not "
            "yours. Download the files and give their path, or run the jobs (`skuscribe prepare`, ...) with your own "
            "bucket"
        )


def _require_model(source: str) -> None:
    """Check a base model in a folder before the first step: `fetch-model` only runs after `prepare`. Errors: as `check_folder()`."""
    if looks_like_folder(source):
        check_folder(expanded(source, flag("source")))


def _sample(path: Path) -> Path:
    """Write the generated sample unless it exists. Returns its path. Errors: as `lock.exclusive()`."""
    with lock.exclusive(path.parent):
        if not path.exists():
            unfinished = path.with_suffix(".new")
            write_sample(unfinished, rows=SAMPLE_ROWS, seed=SAMPLE_SEED)
            unfinished.replace(path)
    return path


def step_variables(settings: Settings, name: str, rows: str, temporary: Path) -> dict[str, str]:
    """Return the environment of the steps.

    A variable of the user takes precedence over our defaults, unless it is empty, and not over a flag.
    """
    own = {each: value for each, value in os.environ.items() if value or not each.startswith(PREFIX)}
    chosen = {
        "INPUT": rows, "SOURCE": settings.source, "CATALOGUE": name, "MODEL": name, "MATCHER": name, "RUN": name, "BATCH": name,
        "RETRIEVAL_SHARE": str(settings.retrieval_share), **({"TOKENIZER": settings.tokenizer} if settings.tokenizer else {}),
    }  # fmt: skip
    return (
        _prefixed(defaults(settings))
        | own
        | _prefixed(chosen)
        | {"TMPDIR": str(temporary), "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    )


def defaults(settings: Settings) -> dict[str, str]:
    """Return the settings of the steps that differ from the defaults of their commands."""
    chosen = {
        "LIMIT": str(settings.describe),
        **({} if settings.input else SAMPLE_DEFAULTS),
        **(TINY_DEFAULTS if settings.source == TINY else {}),
    }
    if os.environ.get("SKUSCRIBE_TARGET_TOKENS_PER_BATCH"):
        chosen.pop("BATCH_ROWS", None)  # they exclude each other
    return chosen


def _prefixed(variables: Mapping[str, str]) -> dict[str, str]:
    return {f"{PREFIX}{name}": value for name, value in variables.items()}
