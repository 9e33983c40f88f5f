"""The parts of a batch: each is described, written to Postgres and committed as an artifact of its own.

The batch is an artifact that lists the files of all its parts. The process that finds every part committed commits the batch.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jobs.describe import batch, exports
from jobs.describe.exports import Description
from jobs.process import log
from jobs.process.parallel import in_threads
from jobs.quality.part_checks import MIN_PART_TEXTS
from jobs.retrieval.neighbours import Neighbour
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import Title
from jobs.storage.layout import MANIFEST, Kind

if TYPE_CHECKING:
    from jobs.describe.describer import Describer

Search = Callable[[Sequence[Title]], list[list[Neighbour]]]
"""Returns the retrieved neighbours of each title, nearest first."""

Loader = Callable[[], "tuple[Search, Describer]"]
"""Returns the search for neighbours and the describer. Loading them takes seconds, so it is called only if a title is described."""

_COUNTED = ("products", "published", "flagged", "failed", "retries")


@dataclass(frozen=True)
class BatchPlan:
    """The titles of each part of a batch. With `replace`, parts that were created with different settings are replaced."""

    batch: str
    catalogue: str
    spec: Spec
    parts: Sequence[Sequence[Title]]
    replace: bool

    def part_spec(self, part: int) -> Spec:
        """Return the spec of a part. A part with more titles than `part_rows`, which only the last one can have, records it."""
        rows = len(self.parts[part])
        own = {"part": part} | ({"rows": rows} if rows > self.spec.config["part_rows"] else {})
        path = layout.export_part_path(self.batch, part)
        return replace(self.spec, path=path, kind=Kind.EXPORT_PART, config={**self.spec.config, **own})

    def find(self, part: int) -> Artifact | None:
        """Return a part if it is committed. Errors: `ConfigurationError` (78) if it has different settings and is not to be replaced."""
        return artifact.find_matching(self.part_spec(part), replace_outdated=self.replace)


def split(titles: Sequence[Title], part_rows: int) -> list[Sequence[Title]]:
    """Return the titles of each part, `part_rows` each.

    The last part has more, in place of a further part that would be too small to tell whether most of its texts are wrong.
    """
    starts = list(range(0, len(titles), part_rows))
    if len(starts) > 1 and len(titles) - starts[-1] < MIN_PART_TEXTS <= part_rows:
        starts.pop()
    return [titles[start:end] for start, end in pairwise([*starts, len(titles)])]


def select(index: int | None, workers: int | None, parts: int) -> list[int]:
    """Return the parts that an index makes: every `workers`-th one, or only its own without `workers`. No index: all parts."""
    if index is None:
        return list(range(parts))
    return list(range(index, parts, workers or max(parts, 1)))


def describe_parts(plan: BatchPlan, selected: Sequence[int], load: Loader) -> list[Artifact | None]:
    """Describe the selected parts. Returns every part of the batch, None for those not committed yet.

    A batch that is to be replaced is withdrawn before its first part is: it lists their files.
    """
    found = dict(enumerate(in_threads(plan.find, range(len(plan.parts)))))  # any part may be of other settings
    pending = [part for part in selected if found[part] is None]
    if pending:
        search, describer = load()  # it may fail: before anything is withdrawn
        if plan.replace:
            artifact.withdraw_outdated(plan.spec)

        def describe(rows: Sequence[Title]) -> list[Description]:
            return describer.describe(rows, search(rows), progress.advance)

        total = sum(len(plan.parts[part]) for part in selected)
        done = total - sum(len(plan.parts[part]) for part in pending)
        with log.progress("describe", total, "products", done) as progress:
            for part in pending:
                _make_part(plan, part, describe)
    missing = [part for part, existing in found.items() if existing is None]
    found |= zip(missing, in_threads(plan.find, missing), strict=True)
    return list(found.values())


def _make_part(plan: BatchPlan, part: int, describe: Callable[[Sequence[Title]], list[Description]]) -> None:
    def build(draft: Draft) -> dict[str, Any]:
        started = time.monotonic()
        rows = describe(plan.parts[part])
        plan.find(part)  # a part that was committed meanwhile with other settings keeps its rows
        batch.write_rows(rows, plan.batch, plan.catalogue)
        for name, data in exports.files(rows, part).items():
            draft.add_bytes(name, data)
        figures = _figures(rows, time.monotonic() - started)
        if not figures["published"]:
            log.warning(
                "nothing is published", part=part, failed=figures["failed"], flagged=figures["flagged"], reasons=figures["reasons"]
            )  # fmt: skip
        return figures

    artifact.make_once(plan.part_spec(part), build, replace_outdated=plan.replace)


def _figures(rows: Sequence[Description], seconds: float) -> dict[str, Any]:
    """Return the figures of a part's manifest."""
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


def remove_leftover_parts(finished: Artifact, batch_name: str) -> None:
    """Remove the parts that an earlier, larger batch of this name has left.

    All their objects are older than the parts of the finished batch. A folder with newer ones is kept, because another process
    may be making a larger batch of this name.
    """
    store = finished.store
    count = sum(name.endswith(exports.PARQUET_SUFFIX) for name in finished.names())
    own = {layout.export_part_path(batch_name, part) for part in range(count)}
    modified: dict[str, datetime] = {}
    committed: dict[str, datetime] = {}
    for stored in store.objects(f"{finished.path}/{layout.EXPORT_PART_PREFIX}"):
        folder, _, name = stored.key.removeprefix(f"{finished.path}/").partition("/")
        path = f"{finished.path}/{folder}"
        modified[path] = max(stored.modified, modified.get(path, stored.modified))
        if name == MANIFEST:
            committed[path] = stored.modified
    if not own <= committed.keys():
        return  # the batch is being replaced
    oldest = min(committed[path] for path in own)
    leftovers = [path for path, last in modified.items() if path not in own and last <= oldest]
    current = artifact.find(store, finished.path) if leftovers else None
    if current is None or current.manifest.attempt != finished.manifest.attempt:
        return
    for path in leftovers:
        artifact.remove(store, path)
    log.info("parts of an earlier batch removed", batch=batch_name, parts=len(leftovers))


def _rate(products: int, seconds: float) -> float | None:
    return round(products / seconds, 2) if seconds else None
