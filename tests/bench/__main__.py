"""Every speed figure beside its rival, in one run: python -m tests.bench [--rows N] [--input FILE] [--only NAME ...]

Each benchmark is a module of its own, prints its own table and can be run alone. None fails a test: a ratio is a figure.
"""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run each benchmark; returns 1 where one could not be run to its end."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="rows that each works on (default 2000)")
    parser.add_argument("--input", help="raw rows to take them from; default: the generated sample")
    parser.add_argument("--only", nargs="*", choices=known, default=known, help=f"of {', '.join(known)}")
    chosen = parser.parse_args()
    broken = []
    for name in chosen.only:
        command = [sys.executable, "-m", f"tests.bench.bench_{name}", "--rows", str(chosen.rows)]
        command += ["--input", chosen.input] if chosen.input else []
        print(f"\n# {name}: {' '.join(command[1:])}", flush=True)
        if subprocess.run(command, check=False).returncode:
            broken.append(name)
    if broken:
        print(f"could not be run to their end: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
