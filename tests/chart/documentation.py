"""Generates the tables of the chart's README and the settings in its schema, from values.yaml and the jobs' settings.

Writes README.md, values.schema.json and templates/_defaults.tpl in charts/skuscribe. Run: python -m tests.chart.documentation
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from jobs.cli import COMMANDS
from jobs.process.command_line import describe_field
from jobs.process.settings import Settings, variable
from jobs.steps import STEPS, Step

from . import kubernetes_definitions

CHART = Path(__file__).parents[2] / "charts" / "skuscribe"
SHARED = ("catalogue", "model", "run", "batch", "matcher", "encoder", "seed")
SET_BY_THE_CHART = ("store", "index", "phase", "workers", "max_shards", "require_gpu")
OTHER_COMMANDS = ("query", "only_check")
"""Settings of a command that make it something other than a job: `describe --query` prints one description."""

UNUSED = {"embed": ("m", "ef_construction", "recall_at_least")}
"""Settings of a command that one of its steps does not use: `embed` and `build` are two phases of `index`."""

SCHEMA_KEYWORDS = (
    "type", "enum", "const", "pattern", "minLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "items",
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A documented value: its path such as `postgres.port`, its default, its description."""

    path: str
    default: Any
    description: str


def main() -> None:
    """Write the files."""
    for name, generate in GENERATED:
        path = CHART / name
        path.write_text(generate(path.read_text(encoding="utf-8")), encoding="utf-8")


def readme(text: str) -> str:
    """Return the README with generated tables."""
    described = values((CHART / "values.yaml").read_text(encoding="utf-8"))
    rows = [f"| `{value.path}` | {_code(value.default)} | {value.description} |" for value in described]
    text = _replace_between(text, "values", ["| value | default | description |", "|---|---|---|", *rows])
    return _replace_between(text, "settings", list(_settings_tables()))


def values(text: str) -> Iterator[Value]:
    """Yield every described value of values.yaml. A key of a job without a description has that of an earlier job."""
    parents: list[tuple[int, str]] = []
    description, tree, job_keys = "", yaml.safe_load(text), dict[str, str]()
    for line in text.splitlines():
        if comment := re.match(r" *# -- (.*)", line):
            description = comment[1]
            continue
        if not (entry := re.match(r"( *)([A-Za-z]+):", line)):
            description = ""
            continue
        depth, key = len(entry[1]), entry[2]
        while parents and parents[-1][0] >= depth:
            parents.pop()
        in_job = bool(parents) and parents[0][1] in {key_of(step.name) for step in STEPS}
        parents.append((depth, key))
        if description and in_job:
            job_keys.setdefault(key, description)
        shown = description or (job_keys.get(key, "") if in_job and len(parents) == 2 else "")
        if shown:
            yield Value(".".join(name for _, name in parents), _at(tree, parents), shown)
        description = ""


def key_of(step: str) -> str:
    """Return the key of a step in values.yaml: `fetchModel` for `fetch-model`."""
    head, *tail = step.split("-")
    return head + "".join(word.title() for word in tail)


def _settings_tables() -> Iterator[str]:
    for step in STEPS:
        fields, names = settings_of(step).model_fields, own_settings(step)
        yield from (f"### {key_of(step.name)}.settings", "")
        yield from ("| setting | description |", "|---|---|") if names else ("None.",)
        for name in names:
            description = describe_field(name, fields[name]).removesuffix(f"[{variable(name)}]").strip()
            yield f"| `{name}` | {description.replace('|', chr(92) + '|').replace('<', '&lt;')} |"
        yield ""


def settings_of(step: Step) -> type[Settings]:
    """Return the settings class of a step's command."""
    module = next(command.settings for command in COMMANDS if command.name == step.command)
    return import_module(module).Settings  # type: ignore[no-any-return]  # found by name


def own_settings(step: Step) -> list[str]:
    """Return the settings in the `settings` of a job: those that are neither shared, set by the chart, for people, nor unused."""
    excluded = {*SHARED, *SET_BY_THE_CHART, *OTHER_COMMANDS, *UNUSED.get(step.name, ())}
    return [name for name in settings_of(step).model_fields if name not in excluded]


def defaults(text: str) -> str:
    """Return the template with the default values: Helm removes a default that is null in the values of a user."""
    values = "\n".join(
        line
        for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
        if line and not re.match(" *#", line)
    )
    begin, end = '{{- define "skuscribe.defaultValues" -}}\n', "\n{{- end -}}\n"
    before, rest = text.split(begin)
    return before + begin + values + end + rest.split(end, 1)[1]


def schema(text: str) -> str:
    """Return the schema with the generated settings of the jobs and names of the steps."""
    tree = json.loads(text)
    tree["$defs"] |= schema_settings() | kubernetes_definitions.definitions()
    tree["properties"]["pipeline"]["properties"]["steps"]["items"]["enum"] = [step.name for step in STEPS]
    return _to_json(tree) + "\n"


def schema_settings() -> dict[str, Any]:
    """Return the `$defs` for the settings of the jobs."""
    definitions: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for step in STEPS:
        properties = settings_of(step).model_json_schema()["properties"]
        for name in SHARED:  # a job may accept more than another one, so each limit counts
            if name in properties:
                shared[name] = shared.get(name, {}) | _schema_of(properties[name])
        own = {name: _schema_of(properties[name]) for name in own_settings(step)}
        definitions[f"{key_of(step.name)}Settings"] = _object(own)
    return {"sharedSettings": _object(shared), **definitions}


def _schema_of(field: dict[str, Any]) -> dict[str, Any]:
    """Return what a value may be: what the setting accepts, except an empty text, because a job ignores an empty variable."""
    kept = {name: value for name, value in field.items() if name in SCHEMA_KEYWORDS}
    if "anyOf" in kept:
        options = [_schema_of(option) for option in kept["anyOf"] if option.get("const") != ""]
        kept = options[0] if len(options) == 1 else {**kept, "anyOf": options}
    if kept.get("type") == "number":  # `helm --set` passes 0.5 and 1e-4 as strings
        return {"anyOf": [kept, {"type": "string", "pattern": number_pattern(kept)}]}
    return kept


def number_pattern(field: dict[str, Any]) -> str:
    """Return a pattern for numbers with a decimal point or an exponent that are within the bounds of a field."""
    if field.get("exclusiveMaximum") == 1:
        fraction = "[0-9]*[1-9][0-9]*" if field.get("exclusiveMinimum") == 0 else "[0-9]+"
        return rf"^(0?[.]{fraction}|[1-9]([.][0-9]+)?[eE]-[0-9]*[1-9][0-9]*)$"
    maximum = field.get("maximum")
    minimum = field.get("minimum", field.get("exclusiveMinimum"))
    if maximum is None and field.get("exclusiveMinimum") == 0:
        digits = "[0-9]*[1-9][0-9]*"
        return rf"^([0-9]*[.]{digits}|{digits}[.][0-9]+|{digits}([.][0-9]*)?[eE][-+]?[0-9]+)$"
    if maximum is None and minimum == 0:
        return r"^([0-9]*[.][0-9]+|[0-9]+([.][0-9]*)?[eE][-+]?[0-9]+)$"
    if not isinstance(maximum, int) or minimum is None or minimum > maximum or (10 * minimum) % 10 not in (0, 5):
        raise ValueError(f"no pattern for numbers from {minimum} to {maximum}: add one")
    first, whole = divmod(int(10 * minimum), 10)
    parts = [
        rf"{number or '0?'}[.]{f'[{whole}-9]' if number == first and whole else ''}[0-9]{'*' if whole else '+'}"
        for number in range(first, maximum)
    ]
    if minimum == 0 and "exclusiveMinimum" in field:
        parts[0] = "0?[.][0-9]*[1-9][0-9]*"
    parts += [rf"{maximum}[.]0+"]
    if minimum == 0 and maximum >= 1:
        parts += [r"[1-9]([.][0-9]+)?[eE]-[0-9]*[1-9][0-9]*"]
    return f"^({'|'.join(parts)})$"


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _at(tree: Any, parents: list[tuple[int, str]]) -> Any:
    for _, name in parents:
        tree = tree[name]
    return tree


def _code(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _replace_between(text: str, section: str, lines: list[str]) -> str:
    begin, end = f"<!-- {section}: generated -->\n", f"<!-- /{section} -->"
    before, rest = text.split(begin)
    return before + begin + "\n".join(lines).strip() + "\n" + end + rest.split(end)[1]


def _to_json(value: Any, indent: int = 0) -> str:
    """Return JSON with each list or object on one line if it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= 130 or not isinstance(value, dict | list):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _to_json(item, indent + 2) for item in value) + "\n" + " " * indent + "]"
    parts = (f"{inner}{json.dumps(name)}: {_to_json(item, indent + 2)}" for name, item in value.items())
    return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"


GENERATED = (
    ("README.md", readme), ("values.schema.json", schema), ("templates/_defaults.tpl", defaults),
)  # fmt: skip


if __name__ == "__main__":
    main()
