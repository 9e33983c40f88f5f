"""The command line: the settings of a command read from flags and the environment, with all errors reported together.

The flags and their help come from the declaration of the settings (`jobs.process.settings`).
"""

import argparse
import textwrap
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from jobs.process import accepted, suggestions
from jobs.process.errors import ConfigurationError
from jobs.process.secrets import without_secrets
from jobs.process.settings import Settings, flag, is_flag_only, unit_of, variable, variables

_UNUSED_PREFIX = "NO_SKUSCRIBE_"
_METAVARS = {int: "N", float: "X", Path: "PATH"}

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
