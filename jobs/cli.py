"""The command line: `skuscribe COMMAND [flags]`. One module a command; nothing heavy is imported to find it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from jobs import __version__
from jobs.process import lifecycle
from jobs.process.errors import ConfigurationError


@dataclass(frozen=True)
class Command:
    """A command, the module that has its `Settings` and `run(settings)`, and what it does in one sentence."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Command("prepare", "jobs.prepare.job", "Raw product rows to a catalogue: cleaned shards, rejects, statistics."),
    Command("fetch-model", "jobs.fetch_model.job", "A hub id, a folder or S3 to a verified base model in the store."),
    Command("train", "jobs.train.job", "One shard and the model before it to the next model, with its metrics."),
    Command("evaluate", "jobs.evaluate.job", "Ask every stage of a run the same questions, and score the answers."),
    Command("index", "jobs.index.job", "The catalogue to rows, vectors and an HNSW index in Postgres."),
    Command("describe", "jobs.describe.job", "Titles to checked descriptions, in Postgres and in export files."),
    Command("report", "jobs.report.job", "All metrics and answers to one HTML page, a PDF and CSV files."),
    Command("local", "jobs.local.job", "Run every job in order on this machine, with embedded Postgres and S3."),
    Command("pipeline", "jobs.pipeline.job", "Launch the jobs of a release in order on the cluster, and follow them."),
    Command("status", "jobs.status", "What is done, running and failed, with figures."),
    Command("artifacts", "jobs.artifacts", "List what stands in the store, and fetch it, verified."),
    Command("services", "jobs.local.serve", "Postgres and S3 for a first try, in the foreground, for other pods to reach."),
    Command("doctor", "jobs.doctor", "Reach every service with the credentials given, and say what to mend."),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0 done, 2 and 78 wrong configuration, 65, 75, 143 as `jobs.process.errors` says."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"skuscribe {__version__}")
        return 0
    chosen = next((command for command in COMMANDS if command.name == words[0]), None)

    def work() -> None:
        if chosen is None:
            names = ", ".join(command.name for command in COMMANDS)
            raise ConfigurationError(f"there is no command {words[0]!r}; the commands are {names}")
        from jobs.process import settings

        module = import_module(chosen.module)
        module.run(settings.parse(module.Settings, chosen.name, module.__doc__ or chosen.summary, words[1:]))

    return lifecycle.run_to_exit_code(work)


def _usage() -> str:
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS]
    return (
        "usage: skuscribe COMMAND [--help] [flags]\n\n"
        + "\n".join(lines)
        + "\n\n`skuscribe COMMAND --help` lists its settings."
    )
