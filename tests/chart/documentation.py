"""What the chart's README and schema say of values and settings, made from values.yaml and from the jobs themselves.

Reads charts/skuscribe/values.yaml and the `Settings` of every job. Writes the tables of charts/skuscribe/README.md and the
settings in values.schema.json. Try: python -m tests.chart.documentation
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from jobs import steps as plan
from jobs.cli import COMMANDS
from jobs.process.settings import Settings, describe_field, variable

CHART = Path(__file__).parents[2] / "charts" / "skuscribe"
SHARED = ("catalogue", "model", "run", "batch", "encoder", "seed")
SET_BY_THE_CHART = ("store", "index", "phase", "query", "parts", "expected_shards", "require_gpu")
FRACTION = r"^[0-9]*[.][0-9]+(e-?[0-9]+)?$"
KEPT_KEYWORDS = (
    "type", "enum", "const", "pattern", "minLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "items",
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """One documented value: `postgres.port`, 5432, and its sentence."""

    path: str
    default: Any
    sentence: str


def key_of(step: str) -> str:
    """The key of a step in values.yaml: `fetch-model` is `fetchModel`."""
    head, *tail = step.split("-")
    return head + "".join(word.title() for word in tail)


def settings_of(step: plan.Step) -> type[Settings]:
    """The settings of the job behind a step."""
    module = next(command.settings for command in COMMANDS if command.name == step.command)
    return import_module(module).Settings  # type: ignore[no-any-return]  # found by name


def values(text: str) -> Iterator[Value]:
    """Every value of values.yaml that has a sentence; a key that an earlier job explained has that job's."""
    parents: list[tuple[int, str]] = []
    sentence, tree, explained = "", yaml.safe_load(text), dict[str, str]()
    for line in text.splitlines():
        if comment := re.match(r" *# -- (.*)", line):
            sentence = comment[1]
            continue
        if not (found := re.match(r"( *)([A-Za-z]+):", line)):
            sentence = ""
            continue
        depth, key = len(found[1]), found[2]
        while parents and parents[-1][0] >= depth:
            parents.pop()
        inside = bool(parents) and parents[0][1] in {key_of(step.name) for step in plan.STEPS}
        parents.append((depth, key))
        if sentence and inside:
            explained.setdefault(key, sentence)
        said = sentence or (explained.get(key, "") if inside and len(parents) == 2 else "")
        if said:
            yield Value(".".join(name for _, name in parents), _at(tree, parents), said)
        sentence = ""


def schema_settings() -> dict[str, Any]:
    """The `$defs` of the schema that come from the jobs."""
    found: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for step in plan.STEPS:
        properties = settings_of(step).model_json_schema()["properties"]
        shared |= {name: _kept(properties[name]) for name in SHARED if name in properties}
        found[f"{key_of(step.name)}Settings"] = _object({name: _kept(properties[name]) for name in own_settings(step)})
    return {"sharedSettings": _object(shared), **found}


def own_settings(step: plan.Step) -> list[str]:
    """The settings that a job shares with no other, and that the chart leaves to its user."""
    fields = settings_of(step).model_fields
    return [name for name in fields if name not in SHARED and name not in SET_BY_THE_CHART]


def readme(text: str) -> str:
    """The README with its tables made anew."""
    known = (CHART / "values.yaml").read_text(encoding="utf-8")
    rows = [f"| `{item.path}` | {_code(item.default)} | {item.sentence} |" for item in values(known)]
    text = _between(text, "values", ["| value | default | what it is |", "|---|---|---|", *rows])
    return _between(text, "settings", list(_settings_tables()))


def schema(text: str) -> str:
    """The schema with the jobs' settings made anew."""
    tree = json.loads(text)
    tree["$defs"] |= schema_settings()
    return _dump(tree) + "\n"


def main() -> None:
    """Write both."""
    for name, make in (("README.md", readme), ("values.schema.json", schema)):
        path = CHART / name
        path.write_text(make(path.read_text(encoding="utf-8")), encoding="utf-8")


def _settings_tables() -> Iterator[str]:
    for step in plan.STEPS:
        fields = settings_of(step).model_fields
        yield from (f"### {key_of(step.name)}.settings", "", "| setting | what it is |", "|---|---|")
        for name in own_settings(step):
            sentence = describe_field(name, fields[name]).removesuffix(f"[{variable(name)}]").strip()
            yield f"| `{name}` | {sentence.replace('|', chr(92) + '|').replace('<', '&lt;')} |"
        yield ""


def _at(tree: Any, parents: list[tuple[int, str]]) -> Any:
    for _, name in parents:
        tree = tree[name]
    return tree


def _kept(field: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in field.items() if name in KEPT_KEYWORDS}
    if "anyOf" in kept:
        kept["anyOf"] = [_kept(option) for option in kept["anyOf"]]
    if kept.get("type") == "number":  # `helm --set` takes 0.5 for a text
        return {"anyOf": [kept, {"type": "string", "pattern": FRACTION}]}
    return kept


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _code(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _between(text: str, mark: str, lines: list[str]) -> str:
    begin, end = f"<!-- {mark}: made from the source -->\n", f"<!-- /{mark} -->"
    before, rest = text.split(begin)
    return before + begin + "\n".join(lines).strip() + "\n" + end + rest.split(end)[1]


def _dump(value: Any, indent: int = 0) -> str:
    """JSON with whatever fits into a line on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= 130 or not isinstance(value, dict | list):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _dump(item, indent + 2) for item in value) + "\n" + " " * indent + "]"
    parts = (f"{inner}{json.dumps(name)}: {_dump(item, indent + 2)}" for name, item in value.items())
    return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"


if __name__ == "__main__":
    main()
