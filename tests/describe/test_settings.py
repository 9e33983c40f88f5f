"""The settings of `describe`: the number of workers and its earlier name."""

import pytest

from jobs.describe.settings import Settings
from jobs.process import command_line
from jobs.process.errors import ConfigurationError


def parse(*arguments: str) -> Settings:
    return command_line.parse(Settings, "describe", "", arguments)


def test_workers_can_be_set_by_flag_and_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse().workers is None
    monkeypatch.setenv("SKUSCRIBE_WORKERS", "2")
    assert parse().workers == 2
    assert parse("--workers", "3").workers == 3


def test_skuscribe_parts_is_an_alias_of_skuscribe_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_PARTS", "4")
    assert parse().workers == 4
    assert parse("--workers", "3").workers == 3
    monkeypatch.setenv("SKUSCRIBE_WORKERS", "2")
    assert parse().workers == 2


def test_variables_without_the_prefix_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "2")
    monkeypatch.setenv("PARTS", "2")
    assert parse().workers is None


def test_a_wrong_number_of_workers_is_an_error_that_names_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_PARTS", "0")
    with pytest.raises(
        ConfigurationError, match=r"--workers \(SKUSCRIBE_WORKERS\): expected a whole number, at least 1, found '0'"
    ):
        parse()


def test_a_query_excludes_titles_and_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    assert parse("--query", "Lamp").query == "Lamp"
    for other in (("--titles", "titles.txt"), ("--index", "0")):
        with pytest.raises(ConfigurationError, match="omit --titles and --index"):
            parse("--query", "Lamp", *other)
