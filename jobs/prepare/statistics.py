"""Statistics of a catalogue, the content of statistics.json: counts, reasons of rejection, lengths, duplicates and shards."""

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jobs.prepare.assignment import Assignment
from jobs.prepare.cleaned_rows import CleanedRows
from jobs.prepare.rows import DUPLICATE_UID
from jobs.prepare.splits import HELD_OUT_SHARD
from jobs.storage.columns import number_column

SAMPLED_ROWS = 10_000
SHOWN_BOILERPLATE = 50
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_SIZE_EDGES = (1, 2, 3, 5, 10, 100, 1000)


def statistics(cleaned: CleanedRows, assignment: Assignment, tokenizer: Tokenizer | None, seed: int) -> dict[str, Any]:
    """Return the statistics as a JSON object.

    Lengths in tokens are those of at most 10,000 rows chosen by `seed`, null without a tokenizer.
    """
    kept, cluster = assignment.kept, assignment.cluster
    rows = int(kept.sum())
    cluster_sizes = np.unique(cluster[kept], return_counts=True)[1]
    distinct_texts = len(np.unique(cleaned.column("text_hashes")[kept]))
    reject_counts = dict(cleaned.reject_counts)
    if duplicates := int((~kept).sum()):
        reject_counts[DUPLICATE_UID] = duplicates
    return {
        "rows": {"read": cleaned.read, "kept": rows, "rejected": cleaned.read - rows},
        "rejected": dict(sorted(reject_counts.items())),
        "duplicates": {"exact": rows - distinct_texts, "near": distinct_texts - len(cluster_sizes)},
        "clusters": {
            "count": len(cluster_sizes),
            "largest": int(cluster_sizes.max(initial=0)),
            "sizes": _histogram(cluster_sizes),
        },
        "words": {
            "title": _lengths(cleaned.column("title_words")[kept]),
            "content": _lengths(cleaned.column("content_words")[kept]),
        },
        "tokens": _token_lengths(cleaned, kept, tokenizer, seed) if tokenizer else None,
        "boilerplate": {
            "sentences": len(cleaned.boilerplate),
            "most_frequent": [asdict(item) for item in cleaned.boilerplate[:SHOWN_BOILERPLATE]],
        },
        "held_out": int((kept & (assignment.splits.shard == HELD_OUT_SHARD)).sum()),
        "shards": _shards(assignment),
    }


def _lengths(values: NDArray[Any]) -> dict[str, float | int]:
    if not len(values):
        return {}
    at = np.percentile(values, PERCENTILES, method="nearest").tolist()
    percentiles = {f"p{percentile}": int(value) for percentile, value in zip(PERCENTILES, at, strict=True)}
    return {"mean": round(float(values.mean()), 2), "min": int(values.min()), **percentiles, "max": int(values.max())}


def _histogram(sizes: NDArray[np.int64]) -> dict[str, int]:
    """Return the number of clusters by size, in ranges: `1`, `2`, `3-4`, `5-9` ..."""
    edges = [*_SIZE_EDGES, int(np.iinfo(np.int64).max)]
    counts = np.histogram(sizes, edges)[0].tolist()
    names = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    names[-1] = f"{_SIZE_EDGES[-1]} and more"
    return dict(zip(names, counts, strict=True))


def _shards(assignment: Assignment) -> list[dict[str, int]]:
    splits = assignment.splits
    in_shards = assignment.kept & (splits.shard != HELD_OUT_SHARD)
    rows = np.bincount(splits.shard[in_shards], minlength=splits.shards).tolist()
    tests = np.bincount(splits.shard[in_shards & splits.test], minlength=splits.shards).tolist()
    return [
        {"shard": shard, "rows": rows[shard], "train": rows[shard] - tests[shard], "test": tests[shard]}
        for shard in range(splits.shards)
    ]


def _token_lengths(cleaned: CleanedRows, kept: NDArray[np.bool_], tokenizer: Tokenizer, seed: int) -> dict[str, Any]:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    sample = np.zeros(len(kept), dtype=bool)
    sample[np.random.default_rng(seed).permutation(np.flatnonzero(kept))[:SAMPLED_ROWS]] = True
    lengths: dict[str, list[int]] = {"title": [], "content": []}
    offset = 0
    for products, _ in cleaned.batches():
        sampled = np.flatnonzero(sample[offset : offset + products.num_rows])
        offset += products.num_rows
        for name, counts in lengths.items():
            texts = products[name].take(number_column(sampled)).to_pylist()
            counts.extend(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))
    return {"sampled_rows": int(sample.sum()), **{name: _lengths(np.array(counts)) for name, counts in lengths.items()}}
