"""How an existing artifact, or run, differs from the one that a job is to make, and what the user can do."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jobs.process.errors import ConfigurationError
from jobs.storage.layout import MANIFEST, Kind

NAMED_BY: Mapping[str, str] = {
    Kind.CATALOGUE: "catalogue", Kind.MODEL: "model", Kind.MATCHER: "matcher", Kind.TRAINED_SHARD: "run",
    Kind.MERGED_MODEL: "run", Kind.NEIGHBOURS: "run", Kind.EVALUATION: "run", Kind.EXPORT: "batch", Kind.EXPORT_PART: "batch",
}  # fmt: skip
"""The setting that names an artifact of each kind, for messages."""

REPLACED_BY_FLAG: Collection[str] = (Kind.EVALUATION, Kind.EXPORT, Kind.EXPORT_PART)
"""The kinds that their job replaces with the flag --replace."""

DELETED_BY_COMMAND: Collection[str] = (Kind.CATALOGUE, Kind.MODEL, Kind.MATCHER)
"""The kinds that the command `delete` removes alone. A batch that is made again keeps its labels, which `delete` would remove."""

_SHOWN_CHARACTERS = 80
_DIGEST = re.compile("[0-9a-f]{64}")


def differences(old: Mapping[str, Any], new: Mapping[str, Any], later: Collection[str] = ()) -> list[str]:
    """Return a phrase for each value that differs: `epochs was 3, now 1`. Names in `later` may be missing from `old`."""
    return [
        f"{name} was {_shown(old.get(name))}, now {_shown(new.get(name))}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name) and (name in old or name not in later)
    ]


def created_differently(url: str, path: str, kind: str, found: Sequence[str]) -> ConfigurationError:
    """Return the error for an existing artifact with the differences `found`, which says how it can be made again."""
    setting = NAMED_BY.get(kind)
    name = f"another --{setting} (settings.{setting} of the chart)" if setting else "another name"
    replaces = ", replace it with --replace" if kind in REPLACED_BY_FLAG else ""
    removes = f"remove {url}/{MANIFEST}"
    if kind in DELETED_BY_COMMAND:
        removes = f"delete it with `skuscribe delete --path {path}`"
    return ConfigurationError(
        f"{url} already exists, created with different settings: {'; '.join(found)}. Choose {name}{replaces}, "
        f"or {removes} to make it again"
    )


def _shown(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS and not _DIGEST.fullmatch(text) else text[:12] + "…"
