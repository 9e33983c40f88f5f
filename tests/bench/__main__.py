"""Benchmarks, each against a named baseline in the same run: python -m tests.bench [--rows N] [--input FILE] [--only NAME ...]

Each benchmark is a module that prints a table and can be run separately. A benchmark never fails because of its timings.
"""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run the chosen benchmarks. Returns 1 if one of them failed to run."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="number of rows for each benchmark (default 2000)")
    parser.add_argument("--input", help="file of raw rows; default: the generated sample")
    parser.add_argument("--only", nargs="*", choices=known, default=known, help="benchmarks to run; default: all")
    chosen = parser.parse_args()
    failed = []
    for name in chosen.only:
        command = [sys.executable, "-m", f"tests.bench.bench_{name}", "--rows", str(chosen.rows)]
        command += ["--input", chosen.input] if chosen.input else []
        print(f"\n# {name}: {' '.join(command[1:])}", flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"benchmarks that failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
