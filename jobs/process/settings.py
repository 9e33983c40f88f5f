"""Settings: declared once, read from flags and the environment, with all errors reported together.

A command's settings are one class whose fields have a type, a default, a unit and a sentence. The same declaration gives the
flag (`--shard-rows`), the environment variable (`SKUSCRIBE_SHARD_ROWS`), the help text, and the schema and tables of the
chart. A flag overrides the variable, the variable overrides the default. A field with `flag_only()` has no variable. boto3 and
libpq read AWS_* and PG* themselves.
"""

import argparse
import os
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from jobs.process import accepted, suggestions
from jobs.process.accepted import accepts
from jobs.process.errors import ConfigurationError
from jobs.process.secrets import without_secrets

PREFIX = "SKUSCRIBE_"
_UNUSED_PREFIX = "NO_SKUSCRIBE_"
_METAVARS = {int: "N", float: "X", Path: "PATH"}

NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"

Name = Annotated[
    str,
    Field(
        pattern=NAME_PATTERN,
        json_schema_extra=accepts("1 to 63 of `a-z0-9._-`, with a letter or digit at both ends"),
    ),
]
"""The name of an artifact or a run: it becomes a folder in S3 and a part of a Kubernetes name."""

StoreUrl = Annotated[
    str,
    Field(
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?$",
        json_schema_extra=accepts(
            "s3://BUCKET or s3://BUCKET/PREFIX, with 3 to 63 of `a-z0-9.-` in BUCKET and `A-Za-z0-9._/-` in PREFIX"
        ),
    ),
]

MaxShards = Annotated[
    int | None,
    Field(
        ge=1,
        description="Maximum number of shards that a run trains, from the first one. Default: all shards of the catalogue.",
    ),
]

ShardsAtOnce = Annotated[
    int,
    Field(
        ge=1,
        le=1000,
        description="Number of shards that are trained from the same model, each with its own --index and at the same time. Their "
        "models are then merged, and the next shards start from the merged one (DiLoCo). 1: each shard starts from the model of the shard before it.",
    ),
]

RequireGpu = Annotated[
    bool,
    Field(
        description="Never use the CPU instead of a GPU: end with exit code 78 if there is no GPU, with 75 if it does not work."
    ),
]


class Settings(BaseSettings):
    """Base class of the settings of every command."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of the values, the first that has one first. No variable sets a field with `flag_only()`."""
        if isinstance(env_settings, EnvSettingsSource):
            unread = {
                variable(name).lower() for name, field in settings_cls.model_fields.items() if is_flag_only(field)
            }
            env_settings.env_vars = {name: value for name, value in env_settings.env_vars.items() if name not in unread}
        return init_settings, env_settings, dotenv_settings, file_secret_settings


class StoreSettings(Settings):
    """Settings of a job that reads or writes artifacts."""

    store: StoreUrl = Field("s3://skuscribe", description="The address of the artifact store.")


class IndexedSettings(StoreSettings):
    """Settings of a job that can run as one index of a Kubernetes Indexed Job."""

    index: int | None = Field(
        default_factory=lambda: os.environ.get("JOB_COMPLETION_INDEX"),
        validate_default=True,
        ge=0,
        description="Process only the part with this index, counted from 0: a shard in `train`, a stage in `evaluate`, a file of "
        "the catalogue in `index`, a share of the batch in `describe`. Default: JOB_COMPLETION_INDEX, which Kubernetes sets in "
        "an Indexed Job, or else all parts in order.",
    )


AnySettings = TypeVar("AnySettings", bound=Settings)


def parse(kind: type[AnySettings], command: str, summary: str, arguments: Sequence[str]) -> AnySettings:
    """Return the settings of a command, from its arguments and the environment.

    Errors: `ConfigurationError` (78) naming every wrong setting; argparse exits with 2 on an unknown flag.
    """
    parser = _parser(kind, command, summary)
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unknown_arguments(kind, unknown))
    given = vars(known)
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**chosen)
    except ValidationError as error:
        raise ConfigurationError(_explain(kind, error.errors())) from None


def check(kind: type[Settings], environment: Mapping[str, str]) -> None:
    """Check the settings that a command would have with these variables. The environment of this process does not count.

    A required setting may be missing: it may come from elsewhere. Errors: `ConfigurationError` (78) naming every wrong setting.
    """
    chosen: dict[str, Any] = {
        name: environment[each]
        for name, field in kind.model_fields.items()
        for each in variables(name, field)
        if environment.get(each)
    }
    if "index" in kind.model_fields:  # its default is read from the environment
        chosen.setdefault("index", None)
    try:
        kind(_env_prefix=_UNUSED_PREFIX, **chosen)
    except ValidationError as error:
        wrong = [problem for problem in error.errors() if problem["type"] != "missing"]
        if wrong:
            raise ConfigurationError(_explain(kind, wrong)) from None


def flag(name: str) -> str:
    """Return the flag of a field: `--shard-rows` for `shard_rows`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """Return the environment variable of a field: `SKUSCRIBE_SHARD_ROWS` for `shard_rows`."""
    return PREFIX + name.upper()


def variables(name: str, field: FieldInfo) -> Iterator[str]:
    """Yield the environment variables of a field: that of its name, and those of its former names. None with `flag_only()`."""
    if is_flag_only(field):
        return
    yield variable(name)
    if isinstance(field.validation_alias, AliasChoices):
        yield from (
            variable(alias) for alias in field.validation_alias.choices if isinstance(alias, str) and alias != name
        )


def describe_field(name: str, field: FieldInfo) -> str:
    """Return the help text of a field: its sentences, unit, limits, default and environment variable, if it has one.

    A description that ends with `Default: ...` replaces the default of the field.
    """
    sentences, _, default = (field.description or "").partition("Default: ")
    parts = [sentences.strip()]
    if unit := unit_of(field):
        parts.append(f"Unit: {unit}.")
    if limits := accepted.limits(field):
        parts.append(f"Accepts: {limits}.")
    if field.is_required():
        parts.append("Required.")
    elif default:
        parts.append(f"Default: {default}")
    elif field.default_factory is None and field.default not in (None, ""):
        parts.append(f"Default: {_default(field.default)}.")
    if not is_flag_only(field):
        parts.append(f"[{variable(name)}]")
    return " ".join(parts)


def unit_of(field: FieldInfo) -> str | None:
    """Return the unit that a field declares with `json_schema_extra=unit(...)`, or None."""
    extra = field.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) and "unit" in extra else None


def unit(name: str) -> dict[str, Any]:
    """Return the extra schema that declares a unit: `Field(json_schema_extra=unit("seconds"))`."""
    return {"unit": name}


def flag_only() -> dict[str, Any]:
    """Return the extra schema of a field that no environment variable sets: `Field(json_schema_extra=flag_only())`.

    For what a person has to say each time, because the commands share their variables.
    """
    return {"flag_only": True}


def is_flag_only(field: FieldInfo) -> bool:
    """Return whether a field is declared with `json_schema_extra=flag_only()`."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("flag_only"))


class _HelpFormatter(argparse.HelpFormatter):
    """Formats a description by paragraphs, of which an indented one is kept as it is, and breaks no flag at a hyphen."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(
            part
            if part.startswith(" ")
            else textwrap.fill(part, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
            for part in paragraphs
        )

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


def _parser(kind: type[Settings], command: str, summary: str) -> argparse.ArgumentParser:
    required = [f"{flag(name)} {_metavar(f.annotation)}" for name, f in kind.model_fields.items() if f.is_required()]
    parser = argparse.ArgumentParser(
        prog=f"skuscribe {command}",
        usage=" ".join(("%(prog)s", *required, "[flags]")),
        description=summary,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    for name, field in kind.model_fields.items():
        text = describe_field(name, field).replace("%", "%%")
        if field.annotation is bool:
            parser.add_argument(flag(name), action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            parser.add_argument(flag(name), metavar=_metavar(field.annotation), help=text)
    return parser


def _unknown_arguments(kind: type[Settings], unknown: Sequence[str]) -> str:
    """Return argparse's message about unknown arguments, with the flags that were probably meant."""
    flags = [flag(name) for name in kind.model_fields]
    names = [word.partition("=")[0] for word in unknown if word.startswith("--")]
    meant = [nearest for name in names if (nearest := suggestions.likely(name, flags)) is not None]
    text = f"unrecognized arguments: {' '.join(unknown)}"
    return f"{text} (did you mean {', '.join(dict.fromkeys(meant))}?)" if meant else text


def _metavar(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return "{" + ",".join(str(value) for value in typing.get_args(annotation)) + "}"
    options = [part for part in typing.get_args(annotation) if part is not type(None)]
    return (
        _metavar(options[0])
        if options and typing.get_origin(annotation) is not tuple
        else _METAVARS.get(annotation, "TEXT")
    )


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _explain(kind: type[Settings], problems: Sequence[ErrorDetails]) -> str:
    """Return what is wrong: one part for each field, and one for each rule about several fields, whose message names them."""
    parts: dict[str, str] = {}
    for problem in problems:
        cause = problem.get("ctx", {}).get("error")  # of a validator of ours
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if not name:
            parts[str(cause)] = str(cause)
            continue
        field = kind.model_fields[name]
        wanted = str(cause or f"expected {accepted.expected(field)}")
        found = "nothing" if problem["type"] == "missing" else _shown(problem["input"])
        named = flag(name) if is_flag_only(field) else f"{flag(name)} ({variable(name)})"
        parts[name] = f"{named}: {wanted}, found {found}"
    head = "a setting is wrong" if len(parts) == 1 else f"{len(parts)} settings are wrong"
    return f"{head}: " + "; ".join(parts.values()) + ". `--help` describes each setting"


def _shown(value: object) -> str:
    return repr(without_secrets(value)) if isinstance(value, str) else repr(value)
