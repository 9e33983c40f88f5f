"""statistics.json: how many rows, why some are left out, how long texts are, how many are alike, who is where."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.prepare.catalogue_files import Placement
from jobs.prepare.cleaned_rows import CleanedRows
from jobs.prepare.splits import HELD_OUT_SHARD
from jobs.storage.columns import number_column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLED_ROWS = 10_000
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_SIZE_EDGES = (1, 2, 3, 5, 10, 100, 1000)


def statistics(cleaned: CleanedRows, placement: Placement, tokenizer_file: Path | None, seed: int) -> dict[str, Any]:
    """A JSON object; lengths in tokens are those of up to 10,000 rows drawn by `seed`, null without a tokenizer."""
    import numpy as np

    alive, cluster = placement.alive, placement.cluster
    sizes = np.unique(cluster[alive], return_counts=True)[1]
    texts = len(np.unique(cleaned.text_hashes[alive]))
    kept = int(alive.sum())
    reasons = dict(cleaned.reasons)
    if twins := int((~alive).sum()):
        reasons["duplicate-uid"] = twins
    return {
        "rows": {"read": cleaned.read, "kept": kept, "rejected": cleaned.read - kept},
        "rejected": dict(sorted(reasons.items())),
        "duplicates": {"exact": kept - texts, "near": texts - len(sizes)},
        "clusters": {"count": len(sizes), "largest": int(sizes.max(initial=0)), "sizes": _histogram(sizes)},
        "words": {
            "title": _lengths(cleaned.title_words[alive]),
            "content": _lengths(cleaned.content_words[alive]),
        },
        "tokens": _token_lengths(cleaned, alive, tokenizer_file, seed) if tokenizer_file else None,
        "held_out": int((alive & (placement.splits.shard == HELD_OUT_SHARD)).sum()),
        "shards": _shards(placement),
    }


def _lengths(values: "NDArray[Any]") -> dict[str, float | int]:
    import numpy as np

    if not len(values):
        return {}
    at = np.percentile(values, PERCENTILES, method="nearest").tolist()
    named = {f"p{percentile}": int(value) for percentile, value in zip(PERCENTILES, at, strict=True)}
    return {"mean": round(float(values.mean()), 2), "min": int(values.min()), **named, "max": int(values.max())}


def _histogram(sizes: "NDArray[np.int64]") -> dict[str, int]:
    """How many clusters there are of each size, in ranges: `1`, `2`, `3-4`, `5-9` ..."""
    import numpy as np

    edges = [*_SIZE_EDGES, int(np.iinfo(np.int64).max)]
    counts = np.histogram(sizes, edges)[0].tolist()
    names = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    names[-1] = f"{_SIZE_EDGES[-1]} and more"
    return dict(zip(names, counts, strict=True))


def _shards(placement: Placement) -> list[dict[str, int]]:
    import numpy as np

    splits = placement.splits
    dealt = placement.alive & (splits.shard != HELD_OUT_SHARD)
    rows = np.bincount(splits.shard[dealt], minlength=splits.shards).tolist()
    tests = np.bincount(splits.shard[dealt & splits.test], minlength=splits.shards).tolist()
    return [
        {"shard": shard, "rows": rows[shard], "train": rows[shard] - tests[shard], "test": tests[shard]}
        for shard in range(splits.shards)
    ]


def _token_lengths(cleaned: CleanedRows, alive: "NDArray[np.bool_]", tokenizer_file: Path, seed: int) -> dict[str, Any]:
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rows = np.flatnonzero(alive)
    sample = np.zeros(len(alive), dtype=bool)
    sample[np.random.default_rng(seed).permutation(rows)[:SAMPLED_ROWS]] = True
    lengths: dict[str, list[int]] = {"title": [], "content": []}
    offset = 0
    for products, _ in cleaned.batches():
        mine = np.flatnonzero(sample[offset : offset + products.num_rows])
        offset += products.num_rows
        for name, found in lengths.items():
            texts = products[name].take(number_column(mine)).to_pylist()
            found.extend(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))
    return {"sampled_rows": int(sample.sum()), **{name: _lengths(np.array(found)) for name, found in lengths.items()}}
