"""Delete a catalogue, a base model, a matcher, a run or a batch.

Deletes the rows in Postgres, then the artifacts, each manifest before its files. A killed delete finishes when it is run again.

A build of the catalogue's index is noticed by its lock. Other jobs hold no lock: `prepare`, `embed`, `train`, `describe` and the others
may be at work on what is deleted, or read it. What such a job has written meanwhile is found at the end, and is an error. What it
writes later is not noticed: `delete` removes it when it is run again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs.database.repeat import repeated_exclusively
from jobs.delete import contents, rows
from jobs.delete.contents import StoredArtifact
from jobs.delete.rows import Rows
from jobs.delete.settings import Settings
from jobs.delete.unit import Unit, not_found, parse
from jobs.index import product_table
from jobs.process import log
from jobs.process.durations import duration
from jobs.process.errors import NotReadyError
from jobs.retrieval.search_index import find_index
from jobs.storage import layout
from jobs.storage.manifest import Manifest
from jobs.storage.store import Store, StoredObject


@dataclass(frozen=True)
class Plan:
    """What is deleted with a unit: its objects, and its rows in Postgres with their number by table. `made_from_it` stays."""

    unit: Unit
    objects: Sequence[StoredObject]
    artifacts: Sequence[StoredArtifact]
    rows: Sequence[Rows]
    counts: Mapping[str, int]
    made_from_it: Sequence[str]


def run(settings: Settings) -> None:
    """Print what would be deleted, or with --yes delete it.

    Errors: `ConfigurationError` (78) if --path is no whole unit, or nothing of it exists, or Postgres refuses the user;
    `NotReadyError` (75) if Postgres is needed and cannot be reached, or a job is at work: an index build, before anything is deleted,
    or one that has written objects meanwhile.
    """
    store = Store(settings.store)
    unit = parse(store, settings.path)
    plan = _plan(store, unit)
    print("\n".join(_lines(store, plan)))
    if not settings.yes:
        print("nothing is deleted without --yes")
        return
    _delete(store, plan)
    log.info("deleted", path=store.at(unit.path), objects=len(plan.objects), rows=sum(plan.counts.values()))


def _plan(store: Store, unit: Unit) -> Plan:
    known = contents.manifests(store)
    objects = list(store.objects(f"{unit.path}/"))
    own_rows = rows.rows_of(unit, _matcher_catalogue(unit, known))
    counts = rows.count(own_rows)
    if not objects and not counts:
        raise not_found(store, unit)
    digests = {manifest.digest for path, manifest in known.items() if manifest and unit.contains(path)}
    digests |= _index_digests(unit, known, counts)
    return Plan(
        unit=unit,
        objects=objects,
        artifacts=contents.artifacts_of(unit, objects, known),
        rows=own_rows,
        counts=counts,
        made_from_it=contents.made_from(store, unit, digests, known),
    )


def _matcher_catalogue(unit: Unit, known: Mapping[str, Manifest | None]) -> str | None:
    """Return the catalogue of a matcher, None if another matcher of it exists.

    Postgres has the alternatives of one matcher of a catalogue: the one that `match` made or found last. They stay until none is
    left. They are deleted before the manifest, which names the catalogue.
    """
    catalogues = {
        path: manifest.settings.get("catalogue")
        for path, manifest in known.items()
        if manifest and path.startswith(layout.MATCHERS)
    }
    own = catalogues.pop(unit.path, None)
    return None if own in catalogues.values() else own


def _index_digests(unit: Unit, known: Mapping[str, Manifest | None], counts: Mapping[str, int]) -> set[str]:
    """Return the digests under which results record the index of a catalogue as their input."""
    manifest = known.get(unit.path)
    if unit.folder != layout.CATALOGUES or manifest is None or "index_build" not in counts:
        return set()
    try:
        index = find_index(unit.name, manifest.digest)
    except NotReadyError:  # the index is that of an earlier catalogue of this name
        return set()
    return {index.digest, *index.former_digests}


def _lines(store: Store, plan: Plan) -> Iterator[str]:
    yield f"{store.at(plan.unit.path)}  {_size(len(plan.objects), sum(stored.size for stored in plan.objects))}{_age(plan)}"
    for item in plan.artifacts:
        yield f"  {item.path}  {item.kind or 'other files'}  {_size(item.objects, item.bytes)}"
    for table, number in plan.counts.items():
        note = "  labels of people, which no job can make again" if table == rows.LABELS else ""
        yield f"  skuscribe.{table}  {number:,} rows{note}"
    if plan.made_from_it:
        yield f"made from it, not deleted: {', '.join(plan.made_from_it)}"
    if build := rows.build_at_work(plan.unit):
        yield f"its index is being built now: {build}"


def _size(objects: int, size: int) -> str:
    return f"{objects:,} objects  {size / 1e6:,.1f} MB"


def _age(plan: Plan) -> str:
    """Return when the last object was written: a recent upload may be that of a job at work."""
    if not plan.objects:
        return ""
    seconds = (datetime.now(UTC) - max(stored.modified for stored in plan.objects)).total_seconds()
    return f"  last upload {duration(max(0.0, seconds))} ago"  # the clock of the store may be ahead of ours


def _delete(store: Store, plan: Plan) -> None:
    """Delete the rows and the objects. Builds of a catalogue's index wait meanwhile, and then find no catalogue."""
    if plan.unit.folder != layout.CATALOGUES:
        _delete_unlocked(store, plan)
        return
    rows.require_no_build(plan.unit)
    repeated_exclusively(product_table.build_lock(plan.unit.name), lambda _holder: _delete_unlocked(store, plan))


def _delete_unlocked(store: Store, plan: Plan) -> None:
    rows.delete(plan.unit, plan.rows)
    contents.delete(store, plan.objects)
    written = [stored.key for stored in store.objects(f"{plan.unit.path}/")]
    if written:
        raise NotReadyError(
            f"a job has written {len(written):,} objects meanwhile, such as {store.at(written[0])}: end it and run this again"
        )
