"""What a job says while it works: one JSON line per fact, or a line and a bar for a person at a terminal.

Facts go to stderr; what a command was asked for (a table, a help text) goes to stdout.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

Figure = str | int | float | bool | None
LINE_EVERY_SECONDS = 10.0


def fact(event: str, **figures: Figure) -> None:
    """Say that something happened, with its figures: `fact("shard done", shard=3, validation_loss=3.04)`."""
    if sys.stderr.isatty():
        shown = "  ".join(f"{name} {_human(value)}" for name, value in figures.items())
        print(f"  {event}  {shown}", file=sys.stderr, flush=True)
    else:
        _line("info", event, figures)


def warning(message: str, **figures: Figure) -> None:
    """Say that something is not as it should be, and that the job goes on."""
    if sys.stderr.isatty():
        print(f"  warning: {message}", file=sys.stderr, flush=True)
    else:
        _line("warning", message, figures)


def error(message: str, **figures: Figure) -> None:
    """Say why the job ends."""
    if sys.stderr.isatty():
        print(f"error: {message}", file=sys.stderr, flush=True)
    else:
        _line("error", message, figures)


class Progress(Protocol):
    """Something that counts."""

    def advance(self, count: int = 1) -> None:
        """Count `count` more."""


@contextmanager
def progress(what: str, total: int | None, unit: str, done: int = 0) -> Iterator[Progress]:
    """Show how far a loop is: a bar with rate and time left at a terminal, else a JSON line every ten seconds."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, initial=done, desc=f"  {what}", unit=f" {unit}", file=sys.stderr, leave=False) as bar:
            yield _Bar(bar.update)
    else:
        yield _Lines(what, total, unit, done)


class _Bar:
    def __init__(self, update) -> None:  # type: ignore[no-untyped-def]  # tqdm's own type is generic in the item
        self._update = update

    def advance(self, count: int = 1) -> None:
        self._update(count)


class _Lines:
    def __init__(self, what: str, total: int | None, unit: str, done: int) -> None:
        self._what, self._total, self._unit, self._done, self._first = what, total, unit, done, done
        self._started = self._last = time.monotonic()

    def advance(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last < LINE_EVERY_SECONDS:
            return
        self._last = now
        rate = (self._done - self._first) / (now - self._started)
        figures: dict[str, Figure] = {"done": self._done, "unit": self._unit, "per_second": round(rate, 1)}
        if self._total is not None:
            figures |= {
                "total": self._total,
                "seconds_left": round((self._total - self._done) / rate) if rate else None,
            }
        _line("info", self._what, figures)


def _line(level: str, event: str, figures: dict[str, Figure]) -> None:
    record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event, **figures}
    with suppress(BrokenPipeError):  # nobody listens any more: no reason to stop the work
        print(json.dumps(record, ensure_ascii=False), file=sys.stderr, flush=True)


def _human(value: Figure) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
