"""Start-up time of a command: python -m tests.bench.bench_startup

Measures `--help`, a wrong setting, and a job that is already done. There is no baseline: the target is one second.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs.local import services
from jobs.sample.rows import write_sample

TARGET_SECONDS = 1.0
REPEATS = 5


def main() -> None:
    """Measure each case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400, help="number of rows of the sample, at most 400")
    parser.add_argument("--input", help="ignored: every benchmark has this flag")
    rows = min(parser.parse_args().rows, 400)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        services.start(work / "services")
        try:
            write_sample(work / "rows.jsonl.gz", rows=rows, seed=13)
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
    print(f"{'case':<24}{'median s':>10}{'target s':>10}")
    for case, seconds in measured.items():
        print(f"{case:<24}{seconds:>10.2f}{TARGET_SECONDS:>10.1f}")


def _seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the median wall time of the process."""
    seconds = []
    for _ in range(REPEATS):
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "jobs", *arguments], env=environment, capture_output=True, check=False)
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
