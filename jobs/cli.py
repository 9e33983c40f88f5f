"""The command line: `skuscribe COMMAND [flags]`.

Each command has a light module with its `Settings` and a module with `run(settings)`. Signal handlers are installed and the
settings are checked before the second is imported, so that a wrong setting is reported before torch is loaded.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from jobs import __version__
from jobs.process import command_line, garbage, lifecycle, suggestions, threads, unknown_variables
from jobs.process.errors import ConfigurationError


@dataclass(frozen=True)
class Command:
    """A command: the modules that define its settings and run it, and one sentence about it."""

    name: str
    settings: str
    job: str
    summary: str


def _command(name: str, summary: str, settings: str = "", job: str = "") -> Command:
    package = f"jobs.{name.replace('-', '_')}"
    return Command(name, settings or f"{package}.settings", job or f"{package}.job", summary)


COMMANDS = (
    _command("prepare", "Clean raw product rows into a catalogue: shards, a held-out set, rejects, statistics."),
    _command("fetch-model", "Store a base model from a hub, a folder or S3, verified."),
    _command("train", "Train one shard from its parent model, or all shards."),
    _command("evaluate", "Answer the same questions with every stage of a run, and score the answers."),
    _command("index", "Embed the catalogue and build an HNSW index in Postgres."),
    _command("match", "Learn from the catalogue whether a text fits a title, and calibrate it."),
    _command("describe", "Write and check a description for each title, to Postgres and export files."),
    _command("audit", "Draw a sample of a batch for people to label, or read their labels."),
    _command("report", "Collect metrics and answers of a run into an HTML page, a PDF and CSV files."),
    _command("local", "Run every job in order on this machine, with local Postgres and S3 servers."),
    _command("pipeline", "Launch the jobs of a release in order on the cluster, and watch them."),
    _command("estimate", "Estimate time, memory, storage and cost of a training before it runs."),
    _command("status", "Show what is done, running and failed, with figures."),
    _command("artifacts", "List the artifacts in the store, or download one, verified."),
    _command("delete", "Delete a catalogue, model, matcher, run or batch, from the store and from Postgres."),
    _command(
        "services",
        "Run Postgres and S3 in the foreground, for other pods: a demo without services of your own.",
        "jobs.local.serve_settings",
        "jobs.local.serve",
    ),
    _command("doctor", "Check every service, model and resource that the jobs need, and say how to fix what fails."),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit code, as `jobs.process.errors` lists them, or 2 for an unknown flag."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"skuscribe {__version__}")
        return 0
    garbage.collect_rarely()
    return lifecycle.run_to_exit_code(lambda: _run(words[0], words[1:]))


def _run(name: str, flags: Sequence[str]) -> None:
    command = next((command for command in COMMANDS if command.name == name), None)
    if command is None:
        names = [command.name for command in COMMANDS]
        nearest = suggestions.likely(name, names)
        meant = f": did you mean {nearest}?" if nearest else "."
        raise ConfigurationError(f"there is no command {name!r}{meant} The commands are {', '.join(names)}")
    unknown_variables.discard(import_module(each.settings).Settings for each in COMMANDS)
    declared = import_module(command.settings)
    chosen = command_line.parse(declared.Settings, command.name, declared.__doc__ or command.summary, flags)
    threads.set_waiting_policy()
    import_module(command.job).run(chosen)


def _usage() -> str:
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS]
    return (
        "usage: skuscribe COMMAND [--help] [flags]\n\n"
        + "\n".join(lines)
        + "\n\n`skuscribe COMMAND --help` lists its settings."
    )
