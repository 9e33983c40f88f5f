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
    group_of_row, sizes, train_only = _groups(clusters, shard_rows, held_out_rows, seed)
    held_out = _choose(sizes, ~train_only, held_out_rows, largest=len(clusters))
    shard = np.full(len(sizes), HELD_OUT_SHARD, dtype=np.int32)
    shard[~held_out] = _pack(sizes[~held_out], shard_rows)
    shards = int(shard.max(initial=HELD_OUT_SHARD)) + 1
    test = np.zeros(len(sizes), dtype=bool)
    by_shard = np.argsort(shard, kind="stable")
    for start, end in pairwise(np.searchsorted(shard[by_shard], np.arange(shards + 1)).tolist()):
        members = by_shard[start:end]
        rows = int(sizes[members].sum())
        test_rows, largest = max(1, round(rows * test_fraction)), int(rows * _LARGEST_TEST_FRACTION)
        test[members] = _choose(sizes[members], ~train_only[members], test_rows, largest)
    return Splits(shard[group_of_row], test[group_of_row], shards)


def _groups(
    clusters: NDArray[np.int64], shard_rows: int, held_out_rows: int, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the group of each row, shape (n,), and of each of m groups, in a seeded order, its size and whether it is for training only.

    A group is a cluster, or a single row of a cluster that is divided, which is for training only.
    """
    cluster_sizes = np.bincount(clusters)
    divided = (cluster_sizes > shard_rows // 2)[clusters]
    if held_out_rows and divided.all() and np.count_nonzero(cluster_sizes) > 1:
        divided &= clusters != _smallest(cluster_sizes, cluster_sizes > 0)  # it is held out as a whole
    names = np.where(divided, np.arange(len(clusters)), clusters)
    rows_by_name = np.bincount(names)
    sizes = rows_by_name[rows_by_name > 0]
    order = np.random.default_rng(seed).permutation(len(sizes))
    place = np.argsort(order).astype(np.int32)
    group_of_row = place[(np.cumsum(rows_by_name > 0) - 1)[names]]
    train_only = np.zeros(len(sizes), dtype=bool)
    train_only[group_of_row[divided]] = True
    return group_of_row, sizes[order], train_only


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
        smallest = _smallest(sizes, allowed)
        chosen[smallest] = sizes[smallest] <= largest
    return chosen


def _smallest(sizes: NDArray[np.int64], allowed: NDArray[np.bool_]) -> int:
    """Return the index of the smallest allowed size."""
    return int(np.argmin(np.where(allowed, sizes, np.iinfo(np.int64).max)))


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
