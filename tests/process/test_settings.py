"""Settings: declared once, read from flags and the environment, with all errors reported together."""

from typing import Literal

import pytest
from pydantic import Field, SecretStr, model_validator

from jobs.process.errors import ConfigurationError
from jobs.process.settings import IndexedSettings, StoreSettings, describe_field, parse, unit, without_secrets


class Sample(StoreSettings):
    rows: int = Field(100, ge=1, description="Number of rows.", json_schema_extra=unit("rows"))
    recipe: Literal["reference", "fast"] = Field("fast", description="Which recipe.")
    verbose: bool = Field(False, description="Log more.")
    token: SecretStr = Field(SecretStr(""), description="A secret.")


def test_a_setting_has_its_default(environment: dict[str, str]) -> None:
    assert parse(Sample, "sample", "", []).rows == 100


def test_a_variable_overrides_the_default_and_a_flag_overrides_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_ROWS", "7")
    assert parse(Sample, "sample", "", []).rows == 7
    assert parse(Sample, "sample", "", ["--rows", "8"]).rows == 8


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_ROWS", "")
    assert parse(Sample, "sample", "", []).rows == 100


def test_all_errors_are_reported_together_with_flag_variable_and_value() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(Sample, "sample", "", ["--rows", "0", "--recipe", "quick", "--store", "ftp://x"])
    message = str(caught.value)
    assert message.startswith("3 settings are wrong")
    for part in ("--rows (SKUSCRIBE_ROWS)", "'0'", "'quick'", "--recipe", "--store", "'ftp://x'"):
        assert part in message


class Paired(StoreSettings):
    """Two settings that exclude each other."""

    source: str = ""
    folder: str = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> "Paired":
        if self.source and self.folder:
            raise ValueError("--source and --folder exclude each other: give one")
        return self


def test_an_error_of_two_settings_is_shown_without_their_values() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(Paired, "sample", "", ["--source", "https://user:hunter2@host/x", "--folder", "y"])
    assert str(caught.value).startswith("a setting is wrong: --source and --folder exclude each other: give one")
    assert "hunter2" not in str(caught.value)


def test_a_secret_has_no_flag_and_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_TOKEN", "hush-hush")
    assert "hush" not in repr(parse(Sample, "sample", "", []))
    with pytest.raises(SystemExit) as ended:
        parse(Sample, "sample", "", ["--token", "hush-hush"])
    assert ended.value.code == 2


def test_an_unknown_flag_and_an_abbreviated_one_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for unknown in ("--row", "--colour"):
        with pytest.raises(SystemExit) as ended:
            parse(Sample, "sample", "", [unknown, "3"])
        assert ended.value.code == 2
    assert "--colour" in capsys.readouterr().err


def test_the_help_text_has_sentence_unit_default_and_variable() -> None:
    text = describe_field("rows", Sample.model_fields["rows"])
    assert text == "Number of rows. Unit: rows. Default: 100. [SKUSCRIBE_ROWS]"


def test_a_boolean_has_a_flag_for_each_value() -> None:
    assert parse(Sample, "sample", "", ["--verbose"]).verbose
    assert not parse(Sample, "sample", "", ["--no-verbose"]).verbose


def test_the_index_is_that_of_kubernetes_and_a_flag_overrides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(IndexedSettings, "train", "", []).index is None
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "3")
    assert parse(IndexedSettings, "train", "", []).index == 3
    assert parse(IndexedSettings, "train", "", ["--index", "5"]).index == 5
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "three")
    with pytest.raises(ConfigurationError, match="three"):
        parse(IndexedSettings, "train", "", [])


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://bob:hush@host:8080/a/b?sig=hush#x", "https://host:8080/a/b"),
        ("s3://bucket/a@b/c", "s3://bucket/a@b/c"),
        ("http://host?sig=hush", "http://host"),
        ("folder/file?.jsonl", "folder/file?.jsonl"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
