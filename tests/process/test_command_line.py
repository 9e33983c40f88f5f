"""Settings are declared once, and read from flags and the environment, with all errors reported together."""

import re
from typing import Literal

import pytest
from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from jobs.process.command_line import check, describe_field, parse
from jobs.process.errors import ConfigurationError
from jobs.process.settings import (
    IndexedSettings,
    Name,
    StoreSettings,
    flag_only,
    unit,
)


class Sample(StoreSettings):
    rows: int = Field(100, ge=1, description="Number of rows.", json_schema_extra=unit("rows"))
    recipe: Literal["reference", "fast"] = Field("fast", description="Which recipe.")
    verbose: bool = Field(False, description="Log more.")


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
    assert message.startswith("3 settings are wrong: ")
    for part in (
        "--rows (SKUSCRIBE_ROWS): expected a whole number, at least 1, found '0'",
        "--recipe (SKUSCRIBE_RECIPE): expected reference or fast, found 'quick'",
        "--store (SKUSCRIBE_STORE): expected s3://BUCKET or s3://BUCKET/PREFIX, with 3 to 63 of",
        "found 'ftp://x'",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--row", "5"], "unrecognized arguments: --row 5 (did you mean --rows?)"),
        (
            ["--recip=fast", "--rwos=5"],
            "unrecognized arguments: --recip=fast --rwos=5 (did you mean --recipe, --rows?)",
        ),
        (["--xyzzy"], "unrecognized arguments: --xyzzy\n"),
        (["rows.csv"], "unrecognized arguments: rows.csv\n"),
    ],
    ids=["one", "two, with values", "nothing similar", "no flag"],
)
def test_an_unknown_flag_ends_with_2_and_names_the_one_that_was_probably_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(Sample, "sample", "", arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


class Typed(StoreSettings):
    batch: Name | Literal[""] = "main"
    share: float = Field(0, ge=0, lt=1)
    again: bool = False
    source: str = Field(min_length=1)

    @field_validator("share")
    @classmethod
    def _is_not_half(cls, value: float) -> float:
        if value == 0.5:
            raise ValueError("expected a share that is not one half")
        return value


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch", "a b"], "--batch (SKUSCRIBE_BATCH): expected 1 to 63 of .* or an empty text, found 'a b'"),
        (["--share", "much"], "--share (SKUSCRIBE_SHARE): expected a number, at least 0, below 1, found 'much'"),
        (["--share", "0.5"], "--share (SKUSCRIBE_SHARE): expected a share that is not one half, found '0.5'"),
        (["--source", ""], "--source (SKUSCRIBE_SOURCE): expected a text that is not empty, found ''"),
        (["AGAIN"], "--again (SKUSCRIBE_AGAIN): expected true or false, found 'maybe'"),
        ([], "--source (SKUSCRIBE_SOURCE): expected a text that is not empty, found nothing"),
    ],
)
def test_an_error_says_what_was_expected_and_found_once_per_setting(
    flags: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flags == ["AGAIN"]:  # a switch has a value only as a variable
        monkeypatch.setenv("SKUSCRIBE_AGAIN", "maybe")
        flags = []
    if flags[:1] != ["--source"] and "SOURCE" not in message:
        flags = [*flags, "--source", "here"]
    expected = "a setting is wrong: " + re.escape(message).replace(r"\.\*", ".*") + ". `--help` describes each setting"
    with pytest.raises(ConfigurationError, match=f"^{expected}$"):
        parse(Typed, "sample", "", flags)


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


def test_an_unknown_flag_and_an_abbreviated_one_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for unknown in ("--row", "--colour"):
        with pytest.raises(SystemExit) as ended:
            parse(Sample, "sample", "", [unknown, "3"])
        assert ended.value.code == 2
    assert "--colour" in capsys.readouterr().err


def test_the_help_text_has_sentence_unit_default_and_variable() -> None:
    text = describe_field("rows", Sample.model_fields["rows"])
    assert text == "Number of rows. Unit: rows. Accepts: at least 1. Default: 100. [SKUSCRIBE_ROWS]"


class Said(StoreSettings):
    path: str = Field(min_length=1, description="What.", json_schema_extra=flag_only())
    yes: bool = Field(False, description="Do it.", json_schema_extra=flag_only())


def test_no_variable_sets_a_field_that_has_only_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SKUSCRIBE_PATH", "SKUSCRIBE_YES", "skuscribe_yes"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SKUSCRIBE_STORE", "s3://bucket")
    said = parse(Said, "said", "", ["--path", "here"])
    assert (said.path, said.yes, said.store) == ("here", False, "s3://bucket")
    assert parse(Said, "said", "", ["--path", "here", "--yes"]).yes
    with pytest.raises(ConfigurationError, match=r"wrong: --path: expected a text that is not empty, found nothing\. "):
        parse(Said, "said", "", ["--yes"])
    check(Said, {"SKUSCRIBE_YES": "maybe"})
    assert describe_field("path", Said.model_fields["path"]) == "What. Required."


def test_a_default_in_the_description_replaces_that_of_the_field() -> None:
    declared = Field(3, description="Rows. Default: 3, or 0 at night.", json_schema_extra=unit("rows"))
    text = describe_field("rows", FieldInfo.from_annotated_attribute(int, declared))
    assert text == "Rows. Unit: rows. Default: 3, or 0 at night. [SKUSCRIBE_ROWS]"


@pytest.mark.parametrize(("default", "shown"), [(False, "false"), (0.0, "0"), (0.5, "0.5"), (10_000, "10000")])
def test_a_default_is_shown_as_it_is_typed(default: object, shown: str) -> None:
    field = FieldInfo.from_annotated_attribute(type(default), default)
    assert describe_field("x", field) == f" Default: {shown}. [SKUSCRIBE_X]"


def test_the_help_keeps_paragraphs_and_examples_and_breaks_no_flag(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    about = (
        "Does one thing.\n\nReads rows from here, and\nwith --a-long-flag others.\n\n    skuscribe sample --rows 3\n"
    )
    with pytest.raises(SystemExit):
        parse(Sample, "sample", about, ["--help"])
    assert capsys.readouterr().out.startswith(
        "usage: skuscribe sample [flags]\n\nDoes one thing.\n\nReads rows from here, and with\n--a-long-flag others.\n\n"
        "    skuscribe sample --rows 3\n"
    )


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
