"""The changes of a release's Jobs: one list, then a watch that is restarted where it ended.

There is no polling: between two events the process blocks in a read. After an outage of the API server the watch continues
from the last resource version; if that version has expired, everything is listed again.
"""

import math
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from jobs.pipeline.backoff import Backoff
from jobs.pipeline.cluster import ACCESS_RETRY_SECONDS, JOBS, Cluster, Json, VersionExpired
from jobs.process import log
from jobs.process.errors import ConfigurationError, JobError, NotReadyError

WATCH_SECONDS = 1800
"""The duration of one watch: without events, one request every half hour."""

STABLE_SECONDS = 5.0
"""After a watch that lasted this long, the next one starts without a delay."""


@dataclass(frozen=True)
class Change:
    """All Jobs (`listed`, which replaces everything known before), or one that was `changed` or `deleted`."""

    kind: Literal["listed", "changed", "deleted"]
    objects: tuple[Json, ...]


def changes(cluster: Cluster, labels: str) -> Iterator[Change]:
    """Yield all Jobs, then every change, without end. Errors: `NotReadyError` (75) after a long outage."""
    while True:
        listing = cluster.list(JOBS, labels)
        yield Change("listed", listing.items)
        try:
            yield from _changes_since(cluster, labels, listing.version)
        except VersionExpired as reason:
            log.info("listing again", resource=JOBS.name, reason=str(reason))


def with_pauses(source: Iterable[Change], seconds: float) -> Iterator[Change | None]:
    """Yield the changes as they happen, and None when `seconds` have passed since the start or the last None.

    A thread reads the changes. Its errors are raised here.
    """
    received: queue.SimpleQueue[Change | BaseException] = queue.SimpleQueue()

    def read() -> None:
        try:
            for change in source:
                received.put(change)
        except BaseException as error:  # raised again in the thread that waits
            received.put(error)

    threading.Thread(target=read, daemon=True).start()
    due = time.monotonic() + seconds
    while True:
        try:
            item = received.get(timeout=max(0.0, due - time.monotonic()))
        except queue.Empty:
            due = time.monotonic() + seconds
            yield None
            continue
        if isinstance(item, BaseException):
            raise item
        yield item


def _changes_since(cluster: Cluster, labels: str, version: str) -> Iterator[Change]:
    """Yield the changes after `version`, from one watch after another. Errors: `VersionExpired`."""
    backoff = Backoff(cluster.retry_seconds)
    while True:
        error: JobError = NotReadyError(f"the watch of {JOBS.name} ends as soon as it starts")
        limit_seconds, connected = None, math.inf
        try:
            events = cluster.watch(JOBS, labels, version, WATCH_SECONDS)
            connected = time.monotonic()
            for event in events:
                backoff.reset()
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    yield Change("deleted" if event["type"] == "DELETED" else "changed", (event["object"],))
        except NotReadyError as outage:
            error = outage
        except ConfigurationError as denied:
            error, limit_seconds = denied, ACCESS_RETRY_SECONDS
        if time.monotonic() - connected >= STABLE_SECONDS:
            backoff.reset()
        else:
            backoff.wait(error, limit_seconds)
