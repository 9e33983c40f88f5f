"""The JSON schemas of the Kubernetes objects that the chart's values pass through: tolerations, volumes and so on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate

DEFINITIONS = (
    Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.35.0-local-strict" / "_definitions.json"
)
PASSED_THROUGH = (
    "core.v1.Affinity", "core.v1.EnvVarSource", "core.v1.Toleration", "core.v1.Volume", "core.v1.VolumeMount",
    "networking.v1.NetworkPolicyEgressRule", "networking.v1.NetworkPolicyPeer",
)  # fmt: skip
SELECTOR_OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"]
ENUMS = {
    ("Toleration", "operator"): ["Exists", "Equal"],
    ("Toleration", "effect"): ["NoSchedule", "PreferNoSchedule", "NoExecute"],
    ("NodeSelectorRequirement", "operator"): [*SELECTOR_OPERATORS, "Gt", "Lt"],
    ("LabelSelectorRequirement", "operator"): SELECTOR_OPERATORS,
    ("NetworkPolicyPort", "protocol"): ["TCP", "UDP", "SCTP"],
}
"""What the descriptions of the definitions say and the definitions do not."""


def definitions() -> dict[str, Any]:
    """Return the definitions by their names without package, with all that they refer to."""
    known = json.loads(DEFINITIONS.read_text(encoding="utf-8"))["$defs"]
    found: dict[str, Any] = {}
    missing = [f"io.k8s.api.{name}" for name in PASSED_THROUGH]
    while missing:
        name = missing.pop()
        if _short(name) not in found:
            found[_short(name)] = _without_descriptions(known[name])
            missing += _references(known[name])
    for (name, field), values in ENUMS.items():
        found[name]["properties"][field] = {"enum": values}
    return dict(sorted(found.items()))


def _without_descriptions(part: Any) -> Any:
    """Return a definition that refers to the short names, without null as a value."""
    if isinstance(part, list):
        return [_without_descriptions(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {
        key: _without_descriptions(value)
        for key, value in part.items()
        if not (key == "description" and isinstance(value, str)) and not key.startswith(("x-", "$schema", "$id"))
    }
    if "$ref" in kept:
        return {"$ref": f"#/$defs/{_short(kept['$ref'])}"}
    if isinstance(kept.get("type"), list):
        kept["type"] = next(name for name in kept["type"] if name != "null")
    return kept


def _references(part: Any) -> Iterator[str]:
    yield from (name for name in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(part)))


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[-1]
