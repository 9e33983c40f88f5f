"""Which rows are held out, which shard each other row is in, and which rows of a shard are for testing.

Whole clusters are assigned, in a seeded order, so that no cluster is on both sides of a split. The exception is a cluster
larger than half a shard (one text shared by thousands of products): its rows may fill several shards, and all of them are
training rows.

Where every cluster is large, the smallest one is held out, so that there is something to evaluate. A shard may have no test
rows, but always has training rows.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

HELD_OUT_SHARD = -1
_SMALLEST_SHARD_FRACTION = 0.05
_LARGEST_CLUSTER_DIVISOR = 20
_LARGEST_TEST_FRACTION = 0.25
_MAX_POSTPONED = 2000


@dataclass(frozen=True)
class Splits:
    """For each of n rows its shard, -1 for held-out rows, and whether it is a test row, both of shape (n,)."""

    shard: NDArray[np.int32]
    test: NDArray[np.bool_]
    shards: int


def assign_splits(
    clusters: NDArray[np.int64], shard_rows: int, held_out_rows: int, test_fraction: float, seed: int
) -> Splits:
    """Return the splits of n rows. `clusters`, shape (n,), names the cluster of each row by the index of one of its rows."""
    sizes = np.bincount(clusters)
    divided = (sizes > shard_rows // 2)[clusters]
    if held_out_rows and divided.all() and np.count_nonzero(sizes) > 1:
        divided &= clusters != _smallest(sizes)  # it is held out as a whole
    group_of_row, group_sizes = _number_groups(np.where(divided, np.arange(len(clusters)), clusters))
    train_only = np.zeros(len(group_sizes), dtype=bool)
    train_only[group_of_row[divided]] = True
    order = np.random.default_rng(seed).permutation(len(group_sizes))
    group_shard = np.full(len(group_sizes), HELD_OUT_SHARD, dtype=np.int32)
    held_out = _choose(group_sizes[order], ~train_only[order], held_out_rows, len(clusters))
    rest = order[~held_out]
    group_shard[rest] = _pack(group_sizes[rest], shard_rows)
    shards = int(group_shard.max(initial=-1)) + 1
    group_test = np.zeros(len(group_sizes), dtype=bool)
    by_shard = rest[np.argsort(group_shard[rest], kind="stable")]
    edges = np.searchsorted(group_shard[by_shard], np.arange(shards + 1))
    for start, end in pairwise(edges.tolist()):
        groups = by_shard[start:end]
        test_rows = round(float(group_sizes[groups].sum()) * test_fraction)
        if len(groups) > 1:
            rows = int(group_sizes[groups].sum())
            largest = int(rows * _LARGEST_TEST_FRACTION)
            group_test[groups] = _choose(group_sizes[groups], ~train_only[groups], max(1, test_rows), largest)
    return Splits(group_shard[group_of_row], group_test[group_of_row], shards)


def _number_groups(names: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the group number of each row, from 0 in the order of the groups' names, and the size of each group."""
    sizes = np.bincount(names)
    number = np.cumsum(sizes > 0, dtype=np.int32) - np.int32(1)
    return number[names], sizes[sizes > 0]


def _smallest(sizes: NDArray[np.int64]) -> int:
    """Return the name of the smallest cluster; `sizes` is 0 where there is no cluster."""
    return int(np.argmin(np.where(sizes > 0, sizes, np.iinfo(np.int64).max)))


def _choose(sizes: NDArray[np.int64], allowed: NDArray[np.bool_], rows: int, largest: int) -> NDArray[np.bool_]:
    """Return whether each cluster is chosen: the first allowed ones that fill `rows` rows.

    None is larger than a twentieth of `rows`, so that no text dominates. If all are, the smallest one is chosen, unless it has
    more than `largest` rows. If there is only one cluster, it is not chosen.
    """
    chosen = np.zeros(len(sizes), dtype=bool)
    if len(sizes) < 2:
        return chosen
    space = rows
    for index in np.flatnonzero(allowed & (sizes <= max(1, rows // _LARGEST_CLUSTER_DIVISOR))).tolist():
        if space == 0:
            break
        if sizes[index] <= space:
            chosen[index] = True
            space -= int(sizes[index])
    if rows and not chosen.any() and allowed.any():
        smallest = int(np.argmin(np.where(allowed, sizes, np.iinfo(np.int64).max)))
        chosen[smallest] = sizes[smallest] <= largest
    return chosen


def _pack(cluster_sizes: NDArray[np.int64], shard_rows: int) -> NDArray[np.int32]:
    """Return the shard of each cluster. Shards are filled in order; a cluster that does not fit is postponed to the next one.

    A last shard smaller than a twentieth of a shard is joined to the one before it.
    """
    shard_of = np.zeros(len(cluster_sizes), dtype=np.int32)
    postponed: list[int] = []
    shard, space = 0, shard_rows
    sizes = cluster_sizes.tolist()

    def place(index: int) -> bool:
        nonlocal space
        if sizes[index] > space:
            return False
        shard_of[index] = shard
        space -= sizes[index]
        return True

    for index in range(len(sizes)):
        if not place(index):
            postponed.append(index)
        while space == 0 or len(postponed) > _MAX_POSTPONED:
            shard, space = shard + 1, shard_rows
            postponed = [late for late in postponed if not place(late)]
    while postponed:
        shard, space = shard + 1, shard_rows
        postponed = [late for late in postponed if not place(late)]
    rows_of_last = int(cluster_sizes[shard_of == shard].sum())
    if shard and rows_of_last < shard_rows * _SMALLEST_SHARD_FRACTION:
        shard_of[shard_of == shard] = shard - 1
    return shard_of
