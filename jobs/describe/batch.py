"""A batch of descriptions, in Postgres and in the store.

A part is an artifact of its own, and its rows are in Postgres before it is committed. The batch is an artifact that lists the
files of all its parts. The process that finds every part committed commits the batch.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from psycopg.types.json import Jsonb

from jobs.database.connection import Connection, statement
from jobs.database.repeat import repeated
from jobs.describe import exports
from jobs.describe.exports import Description
from jobs.process import folders, log
from jobs.quality.checks import MIN_PART_TEXTS
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import Title
from jobs.storage.layout import Kind
from jobs.storage.store import Store

JOB = "describe"
"""The value of `job` in the table skuscribe.failure."""

LATER = ("from_audit",)
"""What earlier versions did not record."""

_COUNTED = ("products", "published", "flagged", "failed", "retries")
"""The figures of a part and of a batch that its rows in Postgres show as well."""


def batch_spec(
    store: Store,
    batch: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    former: Mapping[str, Collection[str]],
) -> Spec:
    """Return the spec of a batch. `former` as in `Spec`."""
    return Spec(store, layout.export_path(batch), Kind.EXPORT, config, inputs, later=LATER, former=former)


def split(titles: Sequence[Title], part_rows: int) -> list[Sequence[Title]]:
    """Return the titles of each part, `part_rows` each.

    The last part has more, in place of a further part that would be too small to tell whether most of its texts are wrong.
    """
    starts = list(range(0, len(titles), part_rows))
    if len(starts) > 1 and len(titles) - starts[-1] < MIN_PART_TEXTS <= part_rows:
        starts.pop()
    return [titles[start:end] for start, end in pairwise([*starts, len(titles)])]


def part_spec(whole: Spec, batch: str, part: int, rows: int) -> Spec:
    """Return the spec of a part with `rows` titles. `whole` is the spec of the batch."""
    own = {"part": part} | ({"rows": rows} if rows > whole.config["part_rows"] else {})
    path = layout.export_part_path(batch, part)
    return replace(whole, path=path, kind=Kind.EXPORT_PART, config={**whole.config, **own})


def recorded_threshold(store: Store, batch: str, from_audit: float, matcher_digest: str) -> float | None:
    """Return the threshold of a batch or of a part of it that was made with this --from-audit and matcher, None if there is none.

    Labels that were stored since would give another threshold, with which the existing parts do not match.
    """
    path = layout.export_path(batch)
    for place in (path, *(f"{path}/{name}" for name in store.folders(f"{path}/"))):
        existing = artifact.find(store, place)
        if existing is None or existing.manifest.inputs.get("matcher") != matcher_digest:
            continue
        if existing.manifest.settings.get("from_audit") == from_audit:
            return float(existing.manifest.settings["publish_from"])
    return None


def write_rows(rows: Sequence[Description], batch: str, catalogue: str) -> None:
    """Insert or update the rows in Postgres, and record the failed ones in the table of failures."""
    scope = {"job": JOB, "scope": batch}
    failures = [{**scope, "uid": row.uid, "error": row.error} for row in rows if row.error is not None]
    values = [
        {name: list(value) if isinstance(value, tuple) else value for name, value in vars(row).items()}
        | {"batch": batch, "catalogue": catalogue, "evidence": Jsonb(row.evidence)}
        for row in rows
    ]

    def write(connection: Connection) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(statement("write_description"), values)
            cursor.execute(statement("clear_failures"), {**scope, "uids": [row.uid for row in rows]})
            cursor.executemany(statement("write_failure"), failures)

    repeated(write)


def add_part(draft: Draft, part: int, rows: Sequence[Description], seconds: float) -> dict[str, Any]:
    """Add the files of a part to its draft. Returns the figures."""
    for name, data in exports.files(rows, part).items():
        draft.add_bytes(name, data)
    reasons = Counter(flag for row in rows for flag in row.flags)
    return {
        "products": len(rows),
        "published": sum(row.published for row in rows),
        "flagged": sum(bool(row.flags) for row in rows),
        "failed": sum(row.error is not None for row in rows),
        "retries": sum(row.retries for row in rows),
        "reasons": dict(sorted(reasons.items())),
        "seconds": round(seconds, 2),
        "products_per_second": _rate(len(rows), seconds),
    }


def include_parts(draft: Draft, parts: Sequence[Artifact], model_name: str) -> dict[str, Any]:
    """List the files of all parts in the draft of the batch. Returns the figures: the sums of those of the parts."""
    for part in parts:
        draft.include(part)
    figures = [part.manifest.figures for part in parts]
    totals = {name: sum(item[name] for item in figures) for name in (*_COUNTED, "seconds")}
    reasons: Counter[str] = Counter()
    for item in figures:
        reasons.update(item["reasons"])
    seconds = round(totals["seconds"], 2)
    return totals | {
        "seconds": seconds,
        "reasons": dict(sorted(reasons.items())),
        "products_per_second": _rate(totals["products"], seconds),
        "model": model_name,
        "parts": len(parts),
    }


def restore_rows(batch_artifact: Artifact, batch: str, catalogue: str) -> None:
    """Make the rows of a finished batch in Postgres those of its export files, if there are others: in a new database, after a
    batch of this name that was made before, or after a replacement that was given up.
    """
    values = {"batch": batch, "model_digest": batch_artifact.manifest.inputs["model"]}
    row = repeated(
        lambda connection: connection.execute(statement("count_descriptions"), values).fetchone(), read_only=True
    )
    if row == (*(batch_artifact.manifest.figures[name] for name in _COUNTED), 0):
        return
    uids: list[str] = []
    with folders.temporary_folder() as work:
        for name in batch_artifact.names():
            if name.endswith(exports.PARQUET_SUFFIX):
                rows = exports.read(batch_artifact.fetch(name, work))
                write_rows(rows, batch, catalogue)
                uids += [row.uid for row in rows]
    _keep_only(uids, batch)
    log.info("rows restored from the export files", batch=batch)


def _keep_only(uids: Sequence[str], batch: str) -> None:
    """Remove the rows of a batch from Postgres that have another uid."""
    values = {"batch": batch, "kept": uids, "job": JOB, "scope": batch}

    def remove(connection: Connection) -> int:
        with connection.transaction():
            connection.execute(statement("remove_failures"), values)
            return connection.execute(statement("remove_descriptions"), values).rowcount

    removed = repeated(remove)
    if removed:
        log.info("rows of an earlier batch removed", batch=batch, rows=removed)


def _rate(products: int, seconds: float) -> float | None:
    return round(products / seconds, 2) if seconds else None
