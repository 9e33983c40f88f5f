"""Start-up time of a command: python -m tests.bench.bench_startup

Measures `--help`, a wrong setting, and a job that is already done. There is no baseline: the target is one second. The last two
lines are a process that imports torch and transformers, with Python's own thresholds of garbage collection as the baseline.
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
HEAVY_IMPORT = "import jobs.t5.models"


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
            _seconds(["-m", "jobs", "prepare"], environment)
            measured = {
                "train --help": _seconds(["-m", "jobs", "train", "--help"], environment),
                "a wrong setting": _seconds(["-m", "jobs", "train", "--recipe", "quick"], environment),
                "prepare, already done": _seconds(["-m", "jobs", "prepare"], environment),
            }
        finally:
            services.stop(work / "services")
    print(f"{'case':<24}{'median s':>10}{'target s':>10}")
    for case, seconds in measured.items():
        print(f"{case:<24}{seconds:>10.2f}{TARGET_SECONDS:>10.1f}")
    default = _seconds(["-c", HEAVY_IMPORT], dict(os.environ))
    rare = _seconds(
        ["-c", f"from jobs.process.garbage import collect_rarely; collect_rarely(); {HEAVY_IMPORT}"], dict(os.environ)
    )
    print(f"\n{'import torch and transformers':<40}{'median s':>10}{'ratio':>8}")
    print(f"{'thresholds of Python':<40}{default:>10.2f}{1:>8.2f}")
    print(f"{'those of the jobs':<40}{rare:>10.2f}{default / rare:>8.2f}")


def _seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the median wall time of a Python process with these arguments."""
    seconds = []
    for _ in range(REPEATS):
        started = time.monotonic()
        subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
