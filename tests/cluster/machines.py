"""The folder of the programs that stop a machine of the local cluster and start it again, if there is one."""

from pathlib import Path

MACHINES = Path(__file__).parents[3] / "shared" / "cluster"
