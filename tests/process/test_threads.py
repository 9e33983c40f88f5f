"""Threads: the CPUs of this process, one thread for a tiny model, and a waiting policy that the user can override."""

import os
from pathlib import Path

import pytest

from jobs.process import threads


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert threads.cpus(tmp_path) == len(os.sched_getaffinity(0))


def test_a_quota_of_cgroup_2_limits_the_cpus(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert threads.cpus(tmp_path) == 1


def test_an_unlimited_quota_of_cgroup_2_limits_nothing(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads.cpus(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("limit", "expected"), [("100000", 1), ("-1", len(os.sched_getaffinity(0)))])
def test_a_quota_of_cgroup_1_limits_the_cpus(tmp_path: Path, limit: str, expected: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(limit)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert threads.cpus(tmp_path) == expected


def test_a_quota_above_the_affinity_limits_nothing(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("6400000 100000\n")
    assert threads.cpus(tmp_path) == len(os.sched_getaffinity(0))


def test_a_tiny_model_gets_one_thread_and_a_larger_one_every_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.threads_for(370_000) == 1
    assert threads.threads_for(247_577_856) == threads.cpus()


def test_the_number_of_threads_that_the_user_sets_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.threads_for(370_000) is None


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_the_waiting_policy_that_the_user_sets_is_kept(name: str) -> None:
    environment = {name: "ACTIVE"}
    threads.set_waiting_policy(environment)
    assert environment == {name: "ACTIVE"}


def test_threads_yield_unless_the_user_chooses_otherwise() -> None:
    environment: dict[str, str] = {}
    threads.set_waiting_policy(environment)
    assert environment == {"GOMP_SPINCOUNT": threads.SPIN_COUNT}
