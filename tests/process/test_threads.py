"""Threads: the CPUs of this process, one thread for a tiny model, and a waiting policy that the user can override."""

import os
from pathlib import Path

import pytest

from jobs.process import threads

ALL = len(os.sched_getaffinity(0))
VERSION_2, VERSION_1 = "0::/pods/pod\n", "3:memory:/other\n2:cpu,cpuacct:/pods/pod\n0::/ignored\n"


def cpus(folder: Path, membership: str, files: dict[str, str]) -> int:
    """The CPUs of a process whose cgroups have these files."""
    for name, content in files.items():
        path = folder / "cgroups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "membership").write_text(membership)
    return threads.cpus(folder / "cgroups", folder / "membership")


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    assert threads.cpus(tmp_path, tmp_path / "none") == ALL
    assert cpus(tmp_path, VERSION_2, {}) == cpus(tmp_path, VERSION_1, {}) == ALL


@pytest.mark.parametrize("group", ["pods/pod/", "pods/", ""], ids=["own", "parent", "root"])
@pytest.mark.parametrize(
    ("quota", "expected"),
    [("50000 100000\n", 1), ("max 100000\n", ALL), ("6400000 100000\n", ALL), ("damaged", ALL)],
)
def test_a_quota_of_cgroups_version_2_limits_the_cpus(tmp_path: Path, group: str, quota: str, expected: int) -> None:
    assert cpus(tmp_path, VERSION_2, {f"{group}cpu.max": quota}) == expected


@pytest.mark.parametrize("group", ["pods/pod/", "pods/", ""], ids=["own", "parent", "root"])
@pytest.mark.parametrize(("quota", "expected"), [("50000\n", 1), ("-1\n", ALL), ("6400000\n", ALL)])
def test_a_quota_of_cgroups_version_1_limits_the_cpus(tmp_path: Path, group: str, quota: str, expected: int) -> None:
    files = {f"cpu/{group}cpu.cfs_quota_us": quota, f"cpu/{group}cpu.cfs_period_us": "100000\n"}
    assert cpus(tmp_path, VERSION_1, files) == expected


def test_a_container_that_sees_only_its_own_cgroup_has_its_quota(tmp_path: Path) -> None:
    assert cpus(tmp_path, "0::/../../kubepods/pod\n", {"cpu.max": "100000 100000"}) == 1


def test_a_tiny_model_gets_one_thread_and_a_larger_one_every_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.threads_for(370_000) == 1
    assert threads.threads_for(247_577_856) == threads.cpus()


@pytest.mark.parametrize(
    ("value", "expected"), [("1", 1), ("1,4", 1), ("4096", ALL), ("0", ALL), ("many", ALL), ("", ALL)]
)
def test_the_number_of_threads_that_the_user_sets_is_a_limit(
    value: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "cpus", lambda: ALL)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert threads.threads_for(247_577_856) == expected
    assert threads.threads_for(370_000) == 1


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_the_waiting_policy_that_the_user_sets_is_kept(name: str) -> None:
    environment = {name: "ACTIVE"}
    threads.set_waiting_policy(environment)
    assert environment == {name: "ACTIVE"}


def test_threads_yield_unless_the_user_chooses_otherwise() -> None:
    environment: dict[str, str] = {}
    threads.set_waiting_policy(environment)
    assert environment == {"GOMP_SPINCOUNT": threads.SPIN_COUNT}
