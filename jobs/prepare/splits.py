"""Which product goes where: into the held-out set, or into the train or test side of one shard.

Whole clusters are dealt out, in a seeded order, so no cluster stands on both sides of any split. A cluster larger than
half a shard (a text that thousands share) is for training alone, and may then fill several shards.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HELD_OUT_SHARD = -1
_SMALLEST_SHARD = 0.05
_TRIES = 2000


@dataclass(frozen=True)
class Splits:
    """For each of n rows its shard (int32, -1 for the held-out set) and whether it is a test row (bool), both (n,)."""

    shard: "NDArray[np.int32]"
    test: "NDArray[np.bool_]"
    shards: int


def assign(clusters: "NDArray[np.int64]", shard_rows: int, held_out_rows: int, test_share: float, seed: int) -> Splits:
    """Deal out n rows by their cluster, shape (n,), where a cluster is named by one of its own row indices."""
    import numpy as np

    divided = (np.bincount(clusters) > shard_rows // 2)[clusters]
    group_of_row, group_sizes = _numbered(np.where(divided, np.arange(len(clusters)), clusters))
    train_only = np.zeros(len(group_sizes), dtype=bool)
    train_only[group_of_row[divided]] = True
    order = np.random.default_rng(seed).permutation(len(group_sizes))
    group_shard = np.full(len(group_sizes), HELD_OUT_SHARD, dtype=np.int32)
    held_out = _chosen(group_sizes[order], ~train_only[order], held_out_rows)
    rest = order[~held_out]
    group_shard[rest] = _packed(group_sizes[rest], shard_rows)
    shards = int(group_shard.max(initial=-1)) + 1
    group_test = np.zeros(len(group_sizes), dtype=bool)
    by_shard = rest[np.argsort(group_shard[rest], kind="stable")]
    edges = np.searchsorted(group_shard[by_shard], np.arange(shards + 1))
    for start, end in pairwise(edges.tolist()):
        inside = by_shard[start:end]
        rows = round(float(group_sizes[inside].sum()) * test_share)
        if len(inside) > 1:
            group_test[inside] = _chosen(group_sizes[inside], ~train_only[inside], max(1, rows))
    return Splits(group_shard[group_of_row], group_test[group_of_row], shards)


def _numbered(names: "NDArray[np.int64]") -> "tuple[NDArray[np.int32], NDArray[np.int64]]":
    """For each of n rows the number of its group, from 0 in the order of their names (0 to n-1); and the size of each group."""
    import numpy as np

    sizes = np.bincount(names)
    number = np.cumsum(sizes > 0, dtype=np.int32) - np.int32(1)
    return number[names], sizes[sizes > 0]


def _chosen(sizes: "NDArray[np.int64]", allowed: "NDArray[np.bool_]", rows: int) -> "NDArray[np.bool_]":
    """The first clusters that fill `rows` rows, none of them more than a twentieth of it, so that no text dominates."""
    import numpy as np

    chosen = np.zeros(len(sizes), dtype=bool)
    left = rows
    for place in np.flatnonzero(allowed & (sizes <= max(1, rows // 20))).tolist():
        if left == 0:
            break
        if sizes[place] <= left:
            chosen[place] = True
            left -= int(sizes[place])
    return chosen


def _packed(sizes: "NDArray[np.int64]", shard_rows: int) -> "NDArray[np.int32]":
    """The shard of each cluster: filled in order, one that does not fit waits for the next shard.

    A last shard smaller than a twentieth of a shard is joined to the one before.
    """
    import numpy as np

    shard_of = np.zeros(len(sizes), dtype=np.int32)
    waiting: list[int] = []
    shard, left = 0, shard_rows
    all_sizes = sizes.tolist()

    def place(index: int) -> bool:
        nonlocal left
        if all_sizes[index] > left:
            return False
        shard_of[index] = shard
        left -= all_sizes[index]
        return True

    for index in range(len(all_sizes)):
        if not place(index):
            waiting.append(index)
        while left == 0 or len(waiting) > _TRIES:
            shard, left = shard + 1, shard_rows
            waiting = [late for late in waiting if not place(late)]
    while waiting:
        shard, left = shard + 1, shard_rows
        waiting = [late for late in waiting if not place(late)]
    rows_of_last = int(sizes[shard_of == shard].sum())
    if shard and rows_of_last < shard_rows * _SMALLEST_SHARD:
        shard_of[shard_of == shard] = shard - 1
    return shard_of
