"""Follow the objects of a release: one list, then one watch that is taken up again where it broke off.

Nothing polls: between two events the process sleeps in a read. When the API server goes away, the watch goes on from
the last version seen as soon as it is back; when that version is too old, everything is listed again.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jobs.pipeline.cluster import REFUSED_SECONDS, Cluster, Gone, Json, Patience, Resource
from jobs.process import log
from jobs.process.errors import ConfigurationError, JobError, NotReadyError

WATCH_SECONDS = 1800
"""The API server ends a watch after this long, and we ask again: one request each half an hour where nothing happens."""

STEADY_SECONDS = 5.0
"""A watch that lasted this long was a good one: the next may follow at once."""


@dataclass(frozen=True)
class Change:
    """News: all there is (`listed`, which replaces what was known), or one object `changed` or `deleted`."""

    kind: Literal["listed", "changed", "deleted"]
    items: tuple[Json, ...]


def follow(cluster: Cluster, kind: Resource, labels: str) -> Iterator[Change]:
    """What there is, then what happens, without end. Errors: `NotReadyError` (75) when the API server stays away."""
    while True:
        found = cluster.list(kind, labels)
        yield Change("listed", found.items)
        try:
            yield from _watch_on(cluster, kind, labels, found.version)
        except Gone as reason:
            log.info("listing again", what=kind.name, reason=str(reason))


def _watch_on(cluster: Cluster, kind: Resource, labels: str, version: str) -> Iterator[Change]:
    """Watch after watch, each from the version that the last one reached. Errors: `Gone`."""
    patience = Patience(cluster.patience_seconds)
    while True:
        problem: JobError = NotReadyError(f"the watch of {kind.name} ends as soon as it begins")
        limit_seconds, connected = None, math.inf
        try:
            events = cluster.watch(kind, labels, version, WATCH_SECONDS)
            connected = time.monotonic()
            for event in events:
                patience.restore()
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    yield Change("deleted" if event["type"] == "DELETED" else "changed", (event["object"],))
        except NotReadyError as error:
            problem = error
        except ConfigurationError as error:
            problem, limit_seconds = error, REFUSED_SECONDS
        if time.monotonic() - connected >= STEADY_SECONDS:
            patience.restore()
        else:
            patience.pause(problem, limit_seconds)
