"""Log events: JSON lines for machines, lines for a person at a terminal, each with all its fields."""

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from jobs.process import log

EVENTS = """
from jobs.process import log
log.info("shard trained", shard=3, rows=20000, loss=1.23456, seconds=1234.5, recipe="fast", gpu=False, rouge=None)
log.warning("checkpoint ignored", step=400, reason="damaged")
log.error("the loss is infinite", step=12, exit_code=65)
"""
PROGRESS = """
from jobs.process import log
log.PROGRESS_EVERY_SECONDS = 0
with log.progress("products embedded", 4, "products", done=1) as counter:
    counter.advance()
    counter.advance(2)
"""


def at_a_terminal(program: str) -> str:
    """Return what a program shows on a terminal that is its stderr."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (25, 100))  # a new terminal has no size, and tqdm shows nothing
    process = subprocess.Popen([sys.executable, "-c", program], stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # Linux reports the end of a terminal as an error
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


def without_terminal(program: str) -> list[dict[str, object]]:
    """Return the JSON lines that a program writes to stderr."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_terminal_shows_a_line_per_event_with_every_field() -> None:
    assert at_a_terminal(EVENTS).splitlines() == [
        "  shard trained  shard 3  rows 20,000  loss 1.235  seconds 1,234  recipe fast  gpu False  rouge None",
        "  warning: checkpoint ignored  step 400  reason damaged",
        "error: the loss is infinite  step 12  exit_code 65",
    ]


def test_elsewhere_each_event_is_a_json_line_with_every_field() -> None:
    info, warning, error = without_terminal(EVENTS)
    assert info.pop("time")
    assert info == {
        "level": "info", "event": "shard trained", "shard": 3, "rows": 20000, "loss": 1.23456, "seconds": 1234.5,
        "recipe": "fast", "gpu": False, "rouge": None,
    }  # fmt: skip
    assert (warning["level"], warning["step"], warning["reason"]) == ("warning", 400, "damaged")
    assert (error["level"], error["step"], error["exit_code"]) == ("error", 12, 65)


@pytest.mark.parametrize("write", [log.info, log.warning, log.error])
def test_a_field_may_have_any_name(write: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    write("done", **{"message": "a", "fields": "b", "write": "c"})
    assert '"event": "done", "message": "a", "fields": "b", "write": "c"}' in capsys.readouterr().err


def test_a_terminal_shows_a_progress_bar() -> None:
    shown = at_a_terminal(PROGRESS)
    assert "products embedded:  25%" in shown
    assert "1/4" in shown


def test_elsewhere_progress_is_a_json_line_with_rate_and_time_left() -> None:
    first, last = without_terminal(PROGRESS)
    for line, done in ((first, 2), (last, 4)):
        assert {"event": "products embedded", "unit": "products", "done": done, "total": 4}.items() <= line.items()
    assert float(str(first["per_second"])) > 0
    assert last["seconds_left"] == 0


def test_progress_is_written_at_most_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with log.progress("products embedded", 1000, "products") as counter:
        for _ in range(1000):
            counter.advance()
    assert capsys.readouterr().err == ""


def test_a_log_whose_reader_closed_it_does_not_end_the_job() -> None:
    """The pipe has no reader from the start: every line fails with a broken pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    program = EVENTS + "print('done')"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=writing, check=True)
    os.close(writing)
    assert done.stdout == b"done\n"


RELAYED = """
from jobs.process import log
log.relay('{"time": "2026-01-02T03:04:05.678+00:00", "level": "warning", "event": "checkpoint ignored", "rows": 2000}', job="train")
log.relay("Traceback (most recent call last):", job="train")
log.relay('["not", "an event"]', job="train")
log.relay('{"time": 1, "level": "debug", "event": "of another program"}', job="train")
log.relay('{"time": 1, "level": "info", "event": "of another program", "parts": [1]}', job="train")
"""
NOT_RELAYED_AS_EVENTS = [
    "Traceback (most recent call last):",
    '["not", "an event"]',
    '{"time": 1, "level": "debug", "event": "of another program"}',
    '{"time": 1, "level": "info", "event": "of another program", "parts": [1]}',
]


def test_a_line_of_a_child_has_more_fields_if_it_is_an_event() -> None:
    lines = subprocess.run(
        [sys.executable, "-c", RELAYED], capture_output=True, text=True, check=True
    ).stderr.splitlines()
    assert json.loads(lines[0]) == {
        "time": "2026-01-02T03:04:05.678+00:00", "level": "warning", "event": "checkpoint ignored", "rows": 2000, "job": "train",
    }  # fmt: skip
    assert lines[1:] == NOT_RELAYED_AS_EVENTS


def test_a_line_of_a_child_is_readable_at_a_terminal() -> None:
    lines = at_a_terminal(RELAYED).splitlines()
    assert lines[0].split("  ") == ["", "warning: checkpoint ignored", "job train", "rows 2,000"]
    assert lines[1:] == NOT_RELAYED_AS_EVENTS
