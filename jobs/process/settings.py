"""The base classes of the settings of commands, and the flags and environment variables of their fields.

A command's settings are one class whose fields have a type, a default, a unit and a sentence. The same declaration gives the
flag (`--shard-rows`), the environment variable (`SKUSCRIBE_SHARD_ROWS`), the help text, and the schema and tables of the
chart. A flag overrides the variable, the variable overrides the default. A field with `flag_only()` has no variable. boto3 and
libpq read AWS_* and PG* themselves.
"""

import os
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AliasChoices, Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from jobs.process.accepted import accepts

PREFIX = "SKUSCRIBE_"

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
