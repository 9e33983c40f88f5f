"""How soon a command answers: python -m tests.bench.bench_startup

`--help`, a wrong setting, and a job whose work is done already. No rival: the goal is one second.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import sample
from jobs.local import services

GOAL_SECONDS = 1.0
REPEATS = 5


def main() -> None:
    """Time each answer, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400, help="rows of the sample that is prepared")
    parser.add_argument("--input", help="taken for the other benchmarks' sake, and not used")
    rows = min(parser.parse_args().rows, 400)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        services.start(work / "services")
        try:
            sample.write_sample(work / "rows.jsonl.gz", rows=rows, seed=13)
            environment = os.environ | services.read_environment(work / "services")
            environment["SKUSCRIBE_INPUT"] = str(work / "rows.jsonl.gz")
            _seconds(["prepare"], environment)
            measured = {
                "train --help": _seconds(["train", "--help"], environment),
                "a wrong setting": _seconds(["train", "--recipe", "quick"], environment),
                "prepare, already done": _seconds(["prepare"], environment),
            }
        finally:
            services.stop(work / "services")
    print(f"{'what':<24}{'median s':>10}{'goal s':>8}")
    for what, seconds in measured.items():
        print(f"{what:<24}{seconds:>10.2f}{GOAL_SECONDS:>8.1f}")


def _seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Median wall time of the whole process."""
    taken = []
    for _ in range(REPEATS):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "jobs", *arguments], env=environment, capture_output=True, check=False)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
