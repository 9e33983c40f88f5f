"""How many threads a computation gets, and how they wait for each other.

The OpenMP threads of torch spin at their barriers. On a machine where something else runs, a thread that spins takes the CPU
from the one that it waits for: two trainings side by side are ten and more times slower. So a tiny model, whose steps are
too short to share, gets one thread; a larger one gets every CPU of this process, and threads that yield soon.
"""

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
SPIN_COUNT = "1000"
"""Iterations that a thread of libgomp spins before it sleeps; its default, 300,000, is for a machine that runs nothing else."""

ONE_THREAD_BELOW_PARAMETERS = 5_000_000


def set_waiting_policy(environment: MutableMapping[str, str] = os.environ) -> None:
    """Make OpenMP threads yield at barriers, unless the user has chosen otherwise. Call it before torch is imported."""
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & environment.keys():
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT


def cpus(cgroup: Path = CGROUP) -> int:
    """Return the number of CPUs that this process may use: its affinity, or the quota of its cgroup if that is less."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def threads_for(parameters: int) -> int | None:
    """Return the number of threads for a model of this size; None if the user has chosen with OMP_NUM_THREADS."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    return 1 if parameters < ONE_THREAD_BELOW_PARAMETERS else cpus()


def _quota(cgroup: Path) -> float | None:
    """Return the CPU quota of a cgroup, version 2 or 1, in CPUs; None if there is none."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
        period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None
