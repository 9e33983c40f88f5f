"""Splits: every row has one place, and no cluster is on both sides of a split."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.prepare.splits import HELD_OUT_SHARD, Splits, assign_splits


def sides_of(clusters: list[int], splits: Splits) -> dict[int, set[str]]:
    """Return the sides of each cluster: the held-out set, the test rows of a shard, or training."""
    sides: dict[int, set[str]] = {}
    for cluster, shard, test in zip(clusters, splits.shard.tolist(), splits.test.tolist(), strict=True):
        side = "held-out" if shard == HELD_OUT_SHARD else f"test-{shard}" if test else "train"
        sides.setdefault(cluster, set()).add(side)
    return sides


def smallest_rows(labels: list[int]) -> list[int]:
    return [labels.index(label) for label in labels]


@settings(deadline=None)
@given(
    labels=st.lists(st.integers(0, 60), min_size=1, max_size=400).map(smallest_rows),
    shard_rows=st.integers(10, 120),
    seed=st.integers(0, 9),
)
def test_no_cluster_is_on_both_sides_of_a_split(labels: list[int], shard_rows: int, seed: int) -> None:
    splits = assign_splits(np.array(labels), shard_rows, len(labels) // 20, 0.05, seed)
    assert all(len(sides) == 1 for sides in sides_of(labels, splits).values())
    counts = np.bincount(splits.shard + 1, minlength=splits.shards + 1)
    assert counts.sum() == len(labels)
    smallest = min(labels.count(label) for label in set(labels))
    assert counts[0] <= max(len(labels) // 20, smallest)
    assert (counts[1:] > 0).all()
    assert (counts[1:] <= shard_rows * 1.05).all()


@settings(deadline=None, max_examples=300)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=30),
    shard_rows=st.integers(10, 120),
    held_out_rows=st.integers(1, 60),
    seed=st.integers(0, 9),
)
def test_clusters_of_any_sizes_have_held_out_rows_and_every_shard_has_training_rows(
    sizes: list[int], shard_rows: int, held_out_rows: int, seed: int
) -> None:
    clusters = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    rows = min(held_out_rows, max(1, len(clusters) // 20))
    splits = assign_splits(clusters, shard_rows, rows, 0.05, seed)
    held_out = splits.shard == HELD_OUT_SHARD
    assert 0 < held_out.sum() <= max(rows, min(sizes))
    assert splits.shards > 0
    for shard in range(splits.shards):
        test = splits.test[splits.shard == shard]
        assert not test.all()
        assert test.sum() <= max(1, 0.26 * len(test))


def test_one_cluster_is_not_divided_between_training_and_the_held_out_set() -> None:
    for rows in (1, 4, 500):
        splits = assign_splits(np.zeros(rows, dtype=np.int64), 20, 5, 0.05, 13)
        assert (splits.shard != HELD_OUT_SHARD).all()


def test_shards_are_full_and_five_percent_of_their_rows_are_test_rows() -> None:
    splits = assign_splits(np.arange(45_000), 20_000, 2000, 0.05, 13)
    assert np.bincount(splits.shard + 1).tolist() == [2000, 20_000, 20_000, 3000]
    assert [int(splits.test[splits.shard == shard].sum()) for shard in range(3)] == [1000, 1000, 150]


def test_a_small_last_shard_is_joined_to_the_one_before() -> None:
    assert np.bincount(assign_splits(np.arange(1030), 500, 0, 0.05, 13).shard).tolist() == [500, 500, 30]
    assert np.bincount(assign_splits(np.arange(1020), 500, 0, 0.05, 13).shard).tolist() == [500, 520]


def test_a_cluster_larger_than_half_a_shard_is_only_for_training() -> None:
    clusters = np.concatenate([np.zeros(900, dtype=np.int64), np.arange(900, 1000)])
    splits = assign_splits(clusters, 200, 50, 0.05, 13)
    assert not splits.test[:900].any()
    assert (splits.shard[:900] != HELD_OUT_SHARD).all()
    assert np.bincount(splits.shard + 1).max() <= 210


def test_the_seed_changes_the_splits() -> None:
    one, again, other = (assign_splits(np.arange(1000), 100, 50, 0.05, seed) for seed in (1, 1, 2))
    assert (one.shard == again.shard).all()
    assert (one.shard != other.shard).any()


def test_a_single_row_is_trained_on() -> None:
    splits = assign_splits(np.array([0]), 20_000, 0, 0.05, 13)
    assert (splits.shards, splits.test.tolist()) == (1, [False])
