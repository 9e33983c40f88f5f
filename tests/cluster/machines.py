"""The machines of a local cluster, where it has programs that take one away and bring one back."""

from pathlib import Path

MACHINES = Path(__file__).parents[3] / "shared" / "cluster"
