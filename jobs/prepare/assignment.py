"""The assignment of each cleaned row: rejected as a duplicate uid, or in a cluster and a split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.prepare.cleaned_rows import CleanedRows
from jobs.prepare.splits import HELD_OUT_SHARD, Splits, assign_splits
from jobs.process.errors import InputError
from jobs.text.hashes import first_of_each

TEST_FRACTION = 0.05
MAX_HELD_OUT_FRACTION = 0.05


@dataclass(frozen=True)
class Assignment:
    """For each of n cleaned rows: whether it is kept, the number of the first row of its cluster, and its split.

    A row that is not kept has the uid of an earlier row.
    """

    kept: NDArray[np.bool_]
    cluster: NDArray[np.int64]
    splits: Splits


def assign_rows(cleaned: CleanedRows, similarity: float, shard_rows: int, held_out_rows: int, seed: int) -> Assignment:
    """Return the assignment of all cleaned rows.

    Rows whose texts are at least this similar (0.5 to 1) share a cluster. At most `held_out_rows` rows are held out, except
    where every cluster is larger. Errors: `InputError` (65) if nothing is left to evaluate a model with.
    """
    kept = first_of_each(cleaned.column("uid_hashes"))
    labels = cleaned.clusters(kept, similarity)
    clusters = cleaned.column("rows")[labels]
    rows = np.flatnonzero(kept)
    held_out_rows = min(held_out_rows, max(1, int(len(rows) * MAX_HELD_OUT_FRACTION)))
    splits = assign_splits(np.searchsorted(rows, labels[rows]), shard_rows, held_out_rows, TEST_FRACTION, seed)
    _check_splits(splits, len(np.unique(clusters[rows])), len(kept) - len(rows))
    shard = np.full(len(kept), HELD_OUT_SHARD, dtype=np.int32)
    test = np.zeros(len(kept), dtype=bool)
    shard[rows], test[rows] = splits.shard, splits.test
    return Assignment(kept, clusters, Splits(shard, test, splits.shards))


def _check_splits(splits: Splits, clusters: int, repeated_uids: int) -> None:
    """Errors: `InputError` (65) if there are neither held-out rows nor test rows in the first shard, which every stage needs.

    `repeated_uids`: number of rows that are left out for the uid of an earlier row.
    """
    held_out = splits.shard == HELD_OUT_SHARD
    if held_out.any() or (splits.test & (splits.shard == 0)).any():
        return
    found = "one" if clusters == 1 else f"{clusters:,} with --held-out-rows 0"
    remedy = "add products" if clusters == 1 else "add products, or raise --held-out-rows"
    if repeated_uids:
        found += f", and {repeated_uids:,} with the uid of an earlier one"
        remedy = f"name the field that is different for each product with --uid-field, or {remedy}"
    raise InputError(
        f"expected at least two products with different texts, of which one can be set aside to evaluate models, found {found} "
        f"({len(splits.shard):,} usable rows): {remedy}"
    )
