"""A variable that no command declares is a warning with the most similar one; every other variable is none."""

import json
from collections.abc import Iterator
from importlib import import_module

import pytest
from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from jobs.cli import COMMANDS
from jobs.process import unknown_variables
from jobs.process.settings import Settings, StoreSettings


class Prepare(StoreSettings):
    shard_rows: int = 100


class Describe(StoreSettings):
    model_config = SettingsConfigDict(env_prefix_target="all")

    workers: int = Field(1, validation_alias=AliasChoices("workers", "parts"))


def warned(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return the variables of an environment that are warned of, each with the most similar one."""
    unknown_variables.discard([Prepare, Describe], environment)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {(event["level"], event["event"]) for event in events} <= {("warning", "unknown environment variable")}
    return {event["name"]: event["most_similar"] for event in events}


def test_a_mistyped_variable_is_a_warning_with_the_most_similar_one(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"SKUSCRIBE_SHARD_ROW": "500", "SKUSCRIBE_STORES": "s3://bucket", "skuscribe_worker": "2"}
    assert warned(environment, capsys) == {
        "SKUSCRIBE_SHARD_ROW": "SKUSCRIBE_SHARD_ROWS",
        "SKUSCRIBE_STORES": "SKUSCRIBE_STORE",
        "skuscribe_worker": "SKUSCRIBE_WORKERS",
    }


def test_the_value_of_a_variable_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    unknown_variables.discard([Prepare], {"SKUSCRIBE_PASSWORD": "hunter2"})
    assert "hunter2" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "environment",
    [
        {"SKUSCRIBE_SHARD_ROWS": "500"},
        {"SKUSCRIBE_WORKERS": "2"},
        {"SKUSCRIBE_PARTS": "2"},
        {"skuscribe_shard_rows": "500"},
        {"SKUSCRIBE_SHARD_ROW": ""},
        {"SKUSCRIBE_TERMINATION_LOG": "/dev/null"},
        {"SKUSCRIBE_IMAGE": "localhost/skuscribe:1"},
        {"SKUSCRIBES": "1", "PGHOST": "db.example"},
        {
            "SKUSCRIBE_SERVICE_HOST": "10.0.0.1",
            "SKUSCRIBE_SERVICE_PORT_HTTP": "80",
            "SKUSCRIBE_PORT": "tcp://10.0.0.1:80",
            "SKUSCRIBE_PORT_80_TCP_ADDR": "10.0.0.1",
            "SKUSCRIBE_DB_SERVICE_HOST": "10.0.0.2",
            "SKUSCRIBE_DB_PORT_5432_TCP": "tcp://10.0.0.2:5432",
        },
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_a_variable_of_any_command_of_kubernetes_or_of_another_program_is_no_warning(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert warned(environment, capsys) == {}


def test_the_variables_of_the_local_services_are_no_warning(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    unknown_variables.discard((import_module(command.settings).Settings for command in COMMANDS), environment)
    assert capsys.readouterr().err == ""


def test_settings_are_loaded_only_until_every_variable_is_known() -> None:
    loaded = list[type[Settings]]()

    def kinds() -> Iterator[type[Settings]]:
        for kind in (Prepare, Describe):
            loaded.append(kind)
            yield kind

    unknown_variables.discard(kinds(), {"SKUSCRIBE_SHARD_ROWS": "500"})
    assert loaded == [Prepare]
    loaded.clear()
    unknown_variables.discard(kinds(), {"PGHOST": "db.example"})
    assert loaded == []
