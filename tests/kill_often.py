"""Runs a command of `skuscribe` repeatedly and kills it at random moments until it ends by itself.

    python -m tests.kill_often SEED COMMAND [FLAGS]            prints a JSON list of the exit codes of all attempts
    python -m tests.kill_often concurrently COMMAND [FLAGS]    runs it twice at the same time; prints both exit codes

Each attempt is a fork of this process, which has imported the heavy libraries already. A moment is drawn in seconds of the
attempt's own CPU time, so that the load of the machine does not matter, and from a longer range in each attempt.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import boto3.s3.transfer  # noqa: F401
import datasets  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch
from transformers import Seq2SeqTrainer, T5ForConditionalGeneration  # noqa: F401

from jobs.cli import main as run_command

KILLED = (-signal.SIGKILL, -signal.SIGTERM, 143)
ATTEMPTS = 40
FIRST_SECONDS, GROWTH = 0.5, 1.2
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def main(words: list[str]) -> None:
    """Run the command and print the exit codes."""
    torch.set_num_threads(1)
    if words[0] == "concurrently":
        attempts = [_start(words[1:]) for _ in range(2)]
        codes = [_wait(attempt) for attempt in attempts]
    else:
        codes = _kill_until_done(random.Random(int(words[0])), words[1:])
    if any(code not in (0, *KILLED) for code in codes):
        sys.exit(f"an attempt failed, the reason is above: exit codes {codes}")
    print(json.dumps(codes))


def _kill_until_done(draw: random.Random, command: list[str]) -> list[int]:
    """Return the exit code of each attempt, negative for one that a signal ended."""
    codes: list[int] = []
    while not codes or codes[-1] in KILLED:
        if len(codes) == ATTEMPTS:
            raise RuntimeError(f"the command was killed in each of {ATTEMPTS} attempts: {codes}")
        process = _start(command)
        moment = draw.uniform(0, FIRST_SECONDS * GROWTH ** len(codes))
        number = draw.choice([signal.SIGKILL, signal.SIGTERM])
        while _running(process) and _cpu_seconds(process) < moment:
            time.sleep(0.01)
        os.kill(process, number)
        codes.append(_wait(process))
    return codes


def _start(command: list[str]) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        code = run_command(command)
    finally:
        os._exit(code)


def _running(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    main(sys.argv[1:])
