"""The command line: help and wrong settings load nothing heavy, and an error is one clear message."""

import re
import subprocess
import sys
from importlib import import_module

import pytest

from jobs import __version__
from jobs.cli import COMMANDS, Command, main
from jobs.process import accepted
from jobs.process.command_line import describe_field

HEAVY = (
    "torch",
    "boto3",
    "kubernetes",
    "transformers",
    "polars",
    "pyarrow",
    "ctranslate2",
    "matplotlib",
    "datasets",
    "psycopg",
)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_of_each_command_lists_its_settings_and_loads_nothing_heavy(command: str) -> None:
    code = f"import sys; from jobs.cli import main\ntry: main([{command!r}, '--help'])\nexcept SystemExit: pass\nprint('LOADED', *sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, loaded = ended.stdout.split("LOADED")
    assert f"usage: skuscribe {command}" in text
    assert "SKUSCRIBE_" in text
    assert not set(HEAVY) & set(loaded.split())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_setting_has_a_sentence_one_default_and_its_accepted_values_in_words(command: Command) -> None:
    kind = import_module(command.settings).Settings
    for name, schema in kind.model_json_schema()["properties"].items():
        field = kind.model_fields[name]
        text = describe_field(name, field)
        assert text[0].isupper(), name
        assert text.count("Default: ") <= 1, name
        assert accepted.expected(field), name
        assert ("'pattern'" in str(schema)) == ("'accepts'" in str(schema)), name
        assert ("Accepts: " in text) == bool(re.search("'accepts'|inimum'|aximum'", str(schema))), name


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_help_of_each_command_ends_with_an_example(command: Command) -> None:
    about = import_module(command.settings).__doc__ or ""
    *_, example = about.strip().split("\n\n")
    assert example.startswith(f"    skuscribe {command.name}")


def test_without_a_command_the_usage_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command.name in text for command in COMMANDS)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"skuscribe {__version__}\n"


def test_an_unknown_command_is_a_wrong_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 78
    assert "there is no command 'trian': did you mean train? The commands are prepare, " in capsys.readouterr().err
    assert main(["xyzzy"]) == 78
    assert "there is no command 'xyzzy'. The commands are prepare, " in capsys.readouterr().err


def test_all_wrong_settings_are_reported_at_once_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--store", "nowhere", "--index", "-1"]) == 78
    text = capsys.readouterr().err
    assert "2 settings are wrong" in text
    assert "--store" in text
    assert "--index" in text


def test_a_mistyped_variable_is_named_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_SHARD_ROW", "5")
    assert main(["prepare", "--store", "nowhere"]) == 78
    printed = capsys.readouterr().err
    assert "unknown environment variable" in printed
    assert "SKUSCRIBE_SHARD_ROWS" in printed
    assert main(["prepare", "--store", "nowhere"]) == 78
    assert "unknown environment variable" not in capsys.readouterr().err


def test_the_package_runs_as_a_module() -> None:
    ended = subprocess.run([sys.executable, "-m", "jobs", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("skuscribe ")
