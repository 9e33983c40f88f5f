"""How many threads a computation gets, and how they wait for each other.

The OpenMP threads of torch spin at their barriers. On a machine where something else runs, a thread that spins takes the CPU
from the one that it waits for: two trainings side by side are ten and more times slower. So a tiny model, whose steps are
too short to share, gets one thread; a larger one gets every CPU of this process, and threads that yield soon.
"""

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
SPIN_COUNT = "1000"
"""Iterations that a thread of libgomp spins before it sleeps; its default, 300,000, is for a machine that runs nothing else."""

ONE_THREAD_BELOW_PARAMETERS = 5_000_000


def set_waiting_policy(environment: MutableMapping[str, str] = os.environ) -> None:
    """Make OpenMP threads yield at barriers, unless the user has chosen otherwise. Call it before torch is imported."""
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & environment.keys():
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT


def cpus(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the number of CPUs that this process may use: its affinity, or the smallest quota of its cgroups if that is less.

    `cgroups`: where the cgroups are mounted. `membership`: the file that names the cgroups of this process.
    """
    allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(cgroups, membership))]))


def threads_for(parameters: int) -> int:
    """Return the number of threads for a model of this size, at most OMP_NUM_THREADS if that is set."""
    chosen = 1 if parameters < ONE_THREAD_BELOW_PARAMETERS else cpus()
    # OMP_NUM_THREADS may have a number for each level of nesting, separated by commas.
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(chosen, int(limit)) if limit.isdecimal() and int(limit) else chosen


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    """Yield the quotas, in CPUs, of the cgroup of this process and of the cgroups above it, of version 2 or 1."""
    lines = membership.read_text().splitlines() if membership.exists() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers == "" or "cpu" in controllers.split(","):
            hierarchy = cgroups / "cpu" if controllers else cgroups
            group = hierarchy / path.lstrip("/")
            for folder in (group, *group.parents):
                quota = _quota(folder) if folder.is_relative_to(hierarchy) else None
                if quota is not None:
                    yield quota


def _quota(cgroup: Path) -> float | None:
    """Return the quota of one cgroup in CPUs, or None if it has none, or if the cgroup is not mounted in this container."""
    for read in (_quota_of_version_2, _quota_of_version_1):
        try:
            limit, period = read(cgroup)
            return int(limit) / int(period) if limit != "max" and int(limit) > 0 else None
        except (OSError, ValueError):
            continue
    return None


def _quota_of_version_2(cgroup: Path) -> tuple[str, str]:
    limit, period = (cgroup / "cpu.max").read_text().split()
    return limit, period


def _quota_of_version_1(cgroup: Path) -> tuple[str, str]:
    return (cgroup / "cpu.cfs_quota_us").read_text().strip(), (cgroup / "cpu.cfs_period_us").read_text().strip()
