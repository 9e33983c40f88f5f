"""The values that a setting accepts, in words, from the JSON schema of its field."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

MAX_PORT = 65535

_KINDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a text"}
_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "multipleOf": "a multiple of",
}


def accepts(words: str) -> dict[str, Any]:
    """Return the extra schema that says in words what a pattern accepts: `Field(pattern=..., json_schema_extra=accepts(...))`."""
    return {"accepts": words}


def limits(field: FieldInfo) -> str:
    """Return the limits of a field's values: `1 to 1,000`, `above 0, below 1`, the words of a pattern, or "" without limits."""
    return " or ".join(filter(None, map(_limits, _alternatives(field))))


def expected(field: FieldInfo) -> str:
    """Return what a field expects: `a whole number, 1 to 1,000`, `fast or reference`, `true or false`."""
    return " or ".join(map(_expected, _alternatives(field)))


def _number(value: float) -> str:
    """Return a number with separators of thousands, and without a fraction of 0: `1,000`, `0.5`."""
    return f"{int(value):,}" if value == int(value) else str(value)


def _alternatives(field: FieldInfo) -> Iterator[dict[str, Any]]:
    """Yield the JSON schema of each type of a field, except None."""
    schema = TypeAdapter(field.rebuild_annotation()).json_schema()
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    yield from ({**extra, **type_} for type_ in schema.get("anyOf", [schema]) if type_.get("type") != "null")


def _limits(schema: dict[str, Any]) -> str:
    if "accepts" in schema:
        return str(schema["accepts"])
    words = [f"{name} {_number(schema[keyword])}" for keyword, name in _LIMITS.items() if keyword in schema]
    if "minimum" in schema and "maximum" in schema:
        words[:2] = [f"{_number(schema['minimum'])} to {_number(schema['maximum'])}"]
    return ", ".join(words)


def _expected(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        *others, last = schema["enum"]
        return f"{', '.join(map(str, others))} or {last}"
    if schema.get("const") == "":
        return "an empty text"
    kind = "" if "accepts" in schema else _KINDS[schema["type"]]
    if "minLength" in schema:
        kind = "a text that is not empty"
    return ", ".join(filter(None, (kind, _limits(schema))))
