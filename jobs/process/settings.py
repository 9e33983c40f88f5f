"""Settings: declared once, read from flags and the environment, with all errors reported together.

A command's settings are one class whose fields have a type, a default, a unit and a sentence. The same declaration gives the
flag (`--shard-rows`), the environment variable (`SKUSCRIBE_SHARD_ROWS`), the help text, and the schema and tables of the
chart. A flag overrides the variable, the variable overrides the default. boto3 and libpq read AWS_* and PG* themselves.
"""

import argparse
import os
import re
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.process.errors import ConfigurationError

PREFIX = "SKUSCRIBE_"
_USER_AND_PASSWORD = re.compile(r"[^/\s:@]+:[^\s@]+@")

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
"""The name of an artifact or a run: it becomes a folder in S3 and a part of a Kubernetes name."""

StoreUrl = Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?$")]

MaxShards = Annotated[
    int | None, Field(ge=1, description="Train at most this number of shards, from the first one. Default: all.")
]

RequireGpu = Annotated[
    bool, Field(description="Fail without a GPU (78) or if it does not work (75), instead of using the CPU.")
]


class Settings(BaseSettings):
    """Base class of the settings of every command."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)


class StoreSettings(Settings):
    """Settings of a job that reads or writes artifacts."""

    store: StoreUrl = Field("s3://skuscribe", description="The artifact store: s3://BUCKET or s3://BUCKET/PREFIX.")


class IndexedSettings(StoreSettings):
    """Settings of a job that can run as one index of a Kubernetes Indexed Job."""

    index: int | None = Field(
        default_factory=lambda: os.environ.get("JOB_COMPLETION_INDEX"),
        validate_default=True,
        ge=0,
        description="Do only this part, counted from 0. Default: all parts in order. Kubernetes sets it.",
    )


AnySettings = TypeVar("AnySettings", bound=Settings)


def parse(kind: type[AnySettings], command: str, summary: str, arguments: Sequence[str]) -> AnySettings:
    """Return the settings of a command, from its arguments and the environment.

    Errors: `ConfigurationError` (78) naming every wrong setting; argparse exits with 2 on an unknown flag.
    """
    given = vars(_parser(kind, command, summary).parse_args(arguments))
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**chosen)
    except ValidationError as error:
        raise ConfigurationError(_explain(kind, error)) from None


def flag(name: str) -> str:
    """Return the flag of a field: `--shard-rows` for `shard_rows`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """Return the environment variable of a field: `SKUSCRIBE_SHARD_ROWS` for `shard_rows`."""
    return PREFIX + name.upper()


def describe_field(name: str, field: FieldInfo) -> str:
    """Return the help text of a field: its sentence, unit, default and environment variable."""
    parts = [field.description or ""]
    unit = unit_of(field)
    if unit:
        parts.append(f"Unit: {unit}.")
    if field.is_required():
        parts.append("Required.")
    elif field.default_factory is None and field.default not in (None, ""):
        parts.append(f"Default: {field.default}.")
    parts.append(f"[{variable(name)}]")
    return " ".join(parts)


def unit_of(field: FieldInfo) -> str | None:
    """Return the unit that a field declares with `json_schema_extra=unit(...)`, or None."""
    extra = field.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) and "unit" in extra else None


def unit(name: str) -> dict[str, Any]:
    """Return the extra schema that declares a unit: `Field(json_schema_extra=unit("seconds"))`."""
    return {"unit": name}


def _parser(kind: type[Settings], command: str, summary: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"skuscribe {command}", description=summary, allow_abbrev=False)
    for name, field in kind.model_fields.items():
        if field.annotation is SecretStr:
            continue  # a secret on a command line is visible in every process list
        text = describe_field(name, field).replace("%", "%%")
        if field.annotation is bool:
            parser.add_argument(flag(name), action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            parser.add_argument(flag(name), metavar=_metavar(field.annotation), help=text)
    return parser


def _metavar(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return "{" + ",".join(str(value) for value in typing.get_args(annotation)) + "}"
    options = [part for part in typing.get_args(annotation) if part is not type(None)]
    return (
        _metavar(options[0])
        if options and typing.get_origin(annotation) is not tuple
        else {int: "N", float: "X", str: "TEXT"}.get(annotation, "TEXT")
    )


def _explain(kind: type[Settings], error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        if not problem["loc"]:  # of several settings, which the message names
            lines.append(problem["msg"].removeprefix("Value error, "))
            continue
        name = str(problem["loc"][0])
        field = kind.model_fields.get(name)
        secret = field is not None and field.annotation is SecretStr
        found = "" if secret or problem["type"] == "missing" else f", found {_shown(problem['input'])}"
        lines.append(f"{flag(name)} ({variable(name)}): {problem['msg']}{found}")
    head = "a setting is wrong" if len(lines) == 1 else f"{len(lines)} settings are wrong"
    return f"{head}: " + "; ".join(lines) + ". `--help` lists the values that each accepts"


def without_secrets(address: str) -> str:
    """Return an address for messages: without user and password, and without the query, which may be a signature."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return _USER_AND_PASSWORD.sub("***@", address)
    authority, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    host = authority.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    if colon and not port.isdigit() and not host.endswith("]"):  # the beginning of a password that contains a slash
        return f"{scheme}://{name}:***"
    return f"{scheme}://{host}{slash}{path}"


def _shown(value: object) -> str:
    return repr(without_secrets(value)) if isinstance(value, str) else repr(value)
