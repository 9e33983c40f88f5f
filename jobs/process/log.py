"""Log events: one JSON line per event, or a line for a person at a terminal, with a bar for progress.

Events go to stderr; what a command prints as its result (a table, a help text) goes to stdout.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

Field = str | int | float | bool | None
PROGRESS_EVERY_SECONDS = 10.0
_STARTS = {"info": "  ", "warning": "  warning: ", "error": "error: "}
"""How a line at a terminal begins, by level."""


def info(event: str, /, **fields: Field) -> None:
    """Log an event with its fields: `info("checkpoint saved", shard=3, step=400)`."""
    _write("info", event, fields)


def warning(message: str, /, **fields: Field) -> None:
    """Log a problem that does not end the job."""
    _write("warning", message, fields)


def error(message: str, /, **fields: Field) -> None:
    """Log the reason why the job ends."""
    _write("error", message, fields)


def relay(line: str, /, **fields: Field) -> None:
    """Log a line that a child process wrote to its stderr, with more fields if it is an event."""
    record = _event_in(line)
    if record is None:
        _write_line(line)
    elif not sys.stderr.isatty():
        _write_line(json.dumps(record | fields, ensure_ascii=False))
    else:
        level, event = record.pop("level"), record.pop("event")
        record.pop("time")
        _write(level, event, fields | record)


@contextmanager
def timed(event: str, /, **fields: Field) -> Iterator[dict[str, Field]]:
    """Log an event with the seconds of the block when it ends without an error. The block may add to the fields."""
    started = time.monotonic()
    yield fields
    info(event, **fields, seconds=round(time.monotonic() - started, 1))


@contextmanager
def progress(event: str, total: int | None, unit: str, done: int = 0) -> Iterator["Progress"]:
    """Yield a counter that shows progress: a bar with rate and time left at a terminal, else a JSON line every ten seconds."""
    if sys.stderr.isatty():
        with tqdm(total=total, initial=done, desc=f"  {event}", unit=f" {unit}", file=sys.stderr, leave=False) as bar:
            yield Progress(event, total, unit, done, bar)
    else:
        yield Progress(event, total, unit, done)


class Progress:
    """A counter of finished units, shown by a bar, or without one by a JSON line every ten seconds."""

    def __init__(self, event: str, total: int | None, unit: str, done: int, bar: Any = None) -> None:
        self._event, self._total, self._unit, self._done, self._first = event, total, unit, done, done
        self._started = self._last = time.monotonic()
        self._bar = bar

    def advance(self, count: int = 1) -> None:
        """Add `count` finished units."""
        if self._bar is not None:
            self._bar.update(count)
            return
        self._done += count
        now = time.monotonic()
        if now - self._last < PROGRESS_EVERY_SECONDS:
            return
        self._last = now
        rate = (self._done - self._first) / (now - self._started)
        fields: dict[str, Field] = {"done": self._done, "unit": self._unit, "per_second": round(rate, 1)}
        if self._total is not None:
            seconds_left = round((self._total - self._done) / rate) if rate else None
            fields |= {"total": self._total, "seconds_left": seconds_left}
        _write_json("info", self._event, fields)


def _write(level: str, event: str, fields: dict[str, Field]) -> None:
    if not sys.stderr.isatty():
        _write_json(level, event, fields)
        return
    shown = "".join(f"  {name} {_readable(value)}" for name, value in fields.items())
    print(f"{_STARTS[level]}{event}{shown}", file=sys.stderr, flush=True)


def _write_json(level: str, event: str, fields: dict[str, Field]) -> None:
    record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event, **fields}
    _write_line(json.dumps(record, ensure_ascii=False))


def _write_line(line: str) -> None:
    with suppress(BrokenPipeError):  # a log that nobody reads any more is no reason to end the job
        print(line, file=sys.stderr, flush=True)


def _event_in(line: str) -> dict[str, Any] | None:
    """Return the record of an event that a line holds, or None if it holds none, or one that another program has logged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not all(isinstance(value, Field) for value in record.values()):
        return None
    return record if record.keys() >= {"time", "event"} and record.get("level") in _STARTS else None


def _readable(value: Field) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
