"""A small release: its steps run one by one in forks of this process, with services reached directly or through proxies."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import boto3.s3.transfer  # noqa: F401 - imported once here, and not in each fork
import datasets  # noqa: F401 - as above
import torch
from transformers import Seq2SeqTrainer, T5ForConditionalGeneration  # noqa: F401 - as above

from jobs.cli import main as run_command
from jobs.steps import Step
from jobs.storage import artifact, layout
from jobs.storage.store import Store
from tests import made

NAME = "faults"
SETTINGS = {
    "CATALOGUE": NAME, "MODEL": NAME, "MATCHER": NAME, "RUN": NAME, "BATCH": NAME, "SOURCE": "tiny",
    "SHARD_ROWS": "60", "HELD_OUT_ROWS": "10", "QUESTIONS": "6", "PART_ROWS": "6", "LIMIT": "12",
    "EPOCHS": "1", "SAVE_EVERY_SECONDS": "1", "ROUGE_ROWS": "4", "SHARDS_AT_ONCE": "2",
}  # fmt: skip
TABLES = {
    "embedded": "SELECT encode(content_hash, 'hex'), embedding::text FROM skuscribe.embedded ORDER BY 1",
    "product": "SELECT catalogue, row, uid, title, content, cluster, split, encode(content_hash, 'hex'), embedding::text"
    " FROM skuscribe.product ORDER BY 1, 2",
    "description": "SELECT batch, uid, description FROM skuscribe.description ORDER BY 1, 2",
}
NOT_READY = 75
STEP_SECONDS = 300
"""A step that hangs is killed with SIGALRM after this time."""


@dataclass(frozen=True)
class Release:
    """The environment variables of a release, with direct addresses of the services, and a file for the output of its steps."""

    variables: Mapping[str, str]
    output: Path

    @cached_property
    def store(self) -> Store:
        """The store, reached directly."""
        with environment(self.variables):
            return Store(self.variables["SKUSCRIBE_STORE"])

    def run(self, step: Step, changed: Mapping[str, str] | None = None) -> int:
        """Run a step with some variables changed. Returns its exit code."""
        process = os.fork()
        if process == 0:
            code = 1
            try:
                with self.output.open("a") as output:
                    os.dup2(output.fileno(), 1)
                    os.dup2(output.fileno(), 2)
                os.environ.update(self.variables, **(changed or {}))
                torch.set_num_threads(1)
                signal.alarm(STEP_SECONDS)
                code = run_command([step.command, *step.arguments])
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def run_until_done(self, step: Step, changed: Mapping[str, str], attempts: int) -> list[int]:
        """Run a step again while it ends with 75, at most `attempts` times. Returns the exit codes."""
        codes = [self.run(step, changed)]
        while codes[-1] == NOT_READY and len(codes) < attempts:
            codes.append(self.run(step, changed))
        return codes

    def clear(self) -> None:
        """Remove everything that the steps made."""
        for stored in list(self.store.objects("")):
            self.store.delete(stored.key)
        made.rows(self.variables, "DROP SCHEMA IF EXISTS skuscribe CASCADE")

    def made(self) -> dict[str, str]:
        """Return the digests of all artifacts, of their files, and of the tables."""
        found = made.digests(self.store, artifact.paths(self.store))
        for table, statement in TABLES.items():
            found[f"table {table}"] = hashlib.sha256(
                json.dumps(made.rows(self.variables, statement)).encode()
            ).hexdigest()
        return found

    def report_path(self) -> str:
        """Return the path of the report, which shows the seconds of the other steps and so is made from one run only."""
        return layout.report_path(NAME)


@dataclass
class Proxies:
    """Both proxies while they run: the variables that lead through them, and afterwards the numbers of calls and of faults."""

    variables: dict[str, str]
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


@contextmanager
def proxies(
    variables: Mapping[str, str], s3_probability: float, postgres_probability: float, seed: str
) -> Iterator[Proxies]:
    """Run the proxies in a process of their own, because the steps are forks of this one, which therefore has no threads."""
    ports = [variables["AWS_ENDPOINT_URL_S3"].rsplit(":", 1)[1], variables["PGPORT"]]
    command = [
        sys.executable,
        "-m",
        "tests.fault_injection",
        *ports,
        str(s3_probability),
        str(postgres_probability),
        seed,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        own = json.loads(process.stdout.readline())
        address = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{own['s3']}", "PGPORT": str(own["postgres"])}
        running = Proxies(address)
        yield running
        process.send_signal(signal.SIGTERM)
        running.counts = json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the block."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            with suppress(KeyError):
                del os.environ[name]
        os.environ.update(before)
