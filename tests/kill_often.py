"""Runs a command of ours again and again, killing it at random moments, until it ends by itself.

    python -m tests.kill_often SEED COMMAND [FLAGS]           prints a JSON list of how each attempt ended
    python -m tests.kill_often twins COMMAND [FLAGS]          runs it twice at the same time; the same

The heavy imports are made once and each attempt is a fork of this process: an attempt costs no start-up. The moments are
drawn in seconds of the attempt's own CPU time, so that a busy machine changes nothing, and each attempt may live longer.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

KILLED = (-signal.SIGKILL, -signal.SIGTERM, 143)
ATTEMPTS = 40
FIRST_SECONDS, GROWTH = 0.5, 1.2
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def main(words: list[str]) -> None:
    import boto3.s3.transfer  # noqa: F401
    import datasets  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch
    from transformers import Seq2SeqTrainer, T5ForConditionalGeneration  # noqa: F401

    torch.set_num_threads(1)
    if words[0] == "twins":
        twins = [_start(words[1:]) for _ in range(2)]
        print(json.dumps([_end(twin) for twin in twins]))
    else:
        print(json.dumps(_kill_until_done(random.Random(int(words[0])), words[1:])))


def _kill_until_done(draw: random.Random, command: list[str]) -> list[int]:
    """The exit code of each attempt; -9 and -15 for those that a signal ended."""
    endings: list[int] = []
    while not endings or endings[-1] in KILLED:
        if len(endings) == ATTEMPTS:
            raise RuntimeError(f"{ATTEMPTS} attempts were not enough: {endings}")
        process = _start(command)
        moment = draw.uniform(0, FIRST_SECONDS * GROWTH ** len(endings))
        number = draw.choice([signal.SIGKILL, signal.SIGTERM])
        while _running(process) and _cpu_seconds(process) < moment:
            time.sleep(0.01)
        os.kill(process, number)
        endings.append(_end(process))
    return endings


def _running(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _start(command: list[str]) -> int:
    process = os.fork()
    if process:
        return process
    from jobs.cli import main as run

    code = 1
    try:
        code = run(command)
    finally:
        os._exit(code)


def _end(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    main(sys.argv[1:])
