"""A batch of descriptions in the store and in Postgres: parts, each committed when done, and the batch over all of them.

exports/BATCH/part-00000/   one artifact a part; its rows are in Postgres before it is committed
exports/BATCH/              the batch: the files of all its parts, committed by whoever finds every part committed
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.database import connection as database
from jobs.describe import exports
from jobs.describe.exports import Description
from jobs.process import folders, log
from jobs.storage import artifact
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store

KIND, PART_KIND = "export", "export-part"
JOB = "describe"


def path_of(batch: str) -> str:
    """Where a batch lives in the store."""
    return f"exports/{batch}"


def part_path(batch: str, part: int) -> str:
    """Where a part of a batch lives in the store."""
    return f"{path_of(batch)}/part-{part:05d}"


def write_rows(rows: Sequence[Description], batch: str, catalogue: str) -> None:
    """Put the rows in Postgres, over those of the same batch and uid; failed ones in the table of failures too."""
    scope = {"job": JOB, "scope": batch}
    failures = [{**scope, "uid": row.uid, "error": row.error} for row in rows if row.error is not None]
    values = [
        {name: list(value) if isinstance(value, tuple) else value for name, value in vars(row).items()}
        | {"batch": batch, "catalogue": catalogue}
        for row in rows
    ]
    with database.session() as connection, connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(database.statement("write_description"), values)
        cursor.execute(database.statement("clear_failures"), {**scope, "uids": [row.uid for row in rows]})
        cursor.executemany(database.statement("write_failure"), failures)


def commit_part(
    store: Store,
    batch: str,
    part: int,
    rows: Sequence[Description],
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    seconds: float,
) -> None:
    """Publish the files of a part."""
    with artifact.draft(store, part_path(batch, part), PART_KIND, settings, inputs) as draft:
        for name, data in exports.files(rows, part).items():
            draft.add_bytes(name, data)
        draft.commit(_figures(rows, seconds))
    log.info("part described", batch=batch, part=part, products=len(rows), seconds=round(seconds, 1))


def commit_batch(
    store: Store, batch: str, parts: int, settings: Mapping[str, Any], inputs: Mapping[str, str], model_name: str
) -> None:
    """Publish the batch, if all its parts stand."""
    found = [artifact.done(store, part_path(batch, part), {**settings, "part": part}, inputs) for part in range(parts)]
    standing = [part for part in found if part is not None]
    if len(standing) < parts:
        log.info("other parts are to come", batch=batch, done=len(standing), parts=parts)
        return
    with artifact.draft(store, path_of(batch), KIND, settings, inputs) as draft:
        for part in standing:
            draft.include(part)
        figures = _merged([part.manifest.figures for part in standing]) | {"model": model_name, "parts": parts}
        draft.commit(figures)
    log.info(
        "batch described", artifact=store.at(path_of(batch)), **{k: v for k, v in figures.items() if k != "reasons"}
    )


def restore_rows(batch_artifact: Artifact, batch: str, catalogue: str) -> None:
    """Put the rows of a finished batch back where the table lacks some, as after a new database."""
    with database.session(read_only=True) as connection:
        row = connection.execute(database.statement("count_descriptions"), {"batch": batch}).fetchone()
    if row is not None and row[0] >= batch_artifact.manifest.figures["products"]:
        return
    with folders.temporary_folder() as work:
        for name in batch_artifact.names():
            if name.endswith(".parquet"):
                write_rows(exports.read(batch_artifact.fetch(name, work)), batch, catalogue)
    log.info("rows restored from the exports", batch=batch)


def _figures(rows: Sequence[Description], seconds: float) -> dict[str, Any]:
    reasons = Counter(flag for row in rows for flag in row.flags)
    return {
        "products": len(rows),
        "published": sum(row.published for row in rows),
        "flagged": sum(bool(row.flags) for row in rows),
        "failed": sum(row.error is not None for row in rows),
        "retries": sum(row.retries for row in rows),
        "reasons": dict(sorted(reasons.items())),
        "seconds": round(seconds, 2),
        "products_per_second": round(len(rows) / seconds, 2) if seconds else None,
    }


def _merged(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("products", "published", "flagged", "failed", "retries", "seconds")
    total = {name: sum(item[name] for item in figures) for name in names}
    reasons: Counter[str] = Counter()
    for item in figures:
        reasons.update(item["reasons"])
    seconds = round(total["seconds"], 2)
    rate = round(total["products"] / seconds, 2) if seconds else None
    return total | {"seconds": seconds, "reasons": dict(sorted(reasons.items())), "products_per_second": rate}
