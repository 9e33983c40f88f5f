"""Which products have the same content, or nearly the same text: MinHash signatures, banded, then verified.

A signature is 64 numbers of 16 bits; the share of places where two agree estimates the Jaccard similarity of the texts'
word pairs (Broder 1997). Rows that agree on any of 16 bands of 4 are candidates: of two texts that share 80 % of their
word pairs, 99.98 % are found. Signatures lie in a file, so that memory does not grow with them.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUMBERS, BAND = 64, 4
_SEED = 20_011
_ROUNDS = 16
_BLOCK_ROWS = 1 << 15
_PAIRS = 1 << 9
_LONGEST_WORD = 40


def signatures(texts: Sequence[str]) -> "NDArray[np.uint16]":
    """The signature of each text, shape (texts, 64)."""
    import numpy as np
    from rensa import RMinHash

    if not texts:
        return np.empty((0, NUMBERS), dtype=np.uint16)
    matrix = RMinHash.digest_matrix_from_token_sets([_shingles(text) for text in texts], NUMBERS, _SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32).astype(np.uint16)


def clusters(
    signature_file: Path, content_hashes: "NDArray[np.uint64]", alive: "NDArray[np.bool_]", similarity: float
) -> "NDArray[np.int32]":
    """For each of n rows the smallest row of its cluster, shape (n,).

    `signature_file` holds n signatures, `content_hashes` (n,) is equal for equal contents, and a row that is not `alive` stays
    alone. Rows are joined when they have the same content, whatever their titles, for it is what a model learns to write; when
    the estimated similarity of their texts is at least `similarity` (0..1); and by way of others.
    """
    import numpy as np

    rows = np.flatnonzero(alive).astype(np.int32)
    labels = np.arange(len(alive), dtype=np.int32)
    members, groups = _groups(content_hashes[rows], rows)
    del content_hashes
    _link(labels, *_with_leader(members, groups)[:2])
    if len(rows) < 2 or similarity > 1:
        return labels
    for band in range(NUMBERS // BAND):
        members, groups = _groups(_band(signature_file, band)[rows], rows)
        for _ in range(_ROUNDS):
            members, leaders, groups = _with_leader(members, groups)
            if not len(members):
                break
            joined = labels[members] == labels[leaders]
            joined[~joined] = _similar(signature_file, members[~joined], leaders[~joined], similarity)
            _link(labels, members[joined], leaders[joined])
            members, groups = members[~joined], groups[~joined]
    return labels


def _shingles(text: str) -> list[str]:
    """Pairs of words; threes of characters where a language sets no spaces."""
    text = text.lower()
    words = text.split()
    if not text.isascii() and len(max(words, key=len)) > _LONGEST_WORD:
        return [text[start : start + 3] for start in range(max(1, len(text) - 2))]
    return [one + two for one, two in pairwise(words)] if len(words) > 1 else words


def _band(signature_file: Path, band: int) -> "NDArray[np.uint64]":
    """One band of every signature: its four numbers read as one of 64 bits, shape (n,)."""
    import numpy as np

    found = np.empty(signature_file.stat().st_size // (NUMBERS * 2), dtype=np.uint64)
    start = 0
    with signature_file.open("rb") as file:
        while data := file.read(_BLOCK_ROWS * NUMBERS * 2):
            block = np.frombuffer(data, dtype=np.uint64).reshape(-1, NUMBERS // BAND)[:, band]
            found[start : start + len(block)] = block
            start += len(block)
    return found


def _groups(keys: "NDArray[np.uint64]", rows: "NDArray[np.int32]") -> "tuple[NDArray[np.int32], NDArray[np.int32]]":
    """Rows that share their key with another, ordered by key and row, and the number of the group of each."""
    import numpy as np

    order = np.argsort(keys, kind="stable").astype(np.int32)
    keys = keys[order]
    same_as_before = np.zeros(len(keys), dtype=bool)
    same_as_before[1:] = keys[1:] == keys[:-1]
    shared = same_as_before.copy()
    shared[:-1] |= same_as_before[1:]
    return rows[order[shared]], np.cumsum(~same_as_before[shared], dtype=np.int32)


def _with_leader(
    members: "NDArray[np.int32]", groups: "NDArray[np.int32]"
) -> "tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]":
    """The members of each group but its first, that first beside each of them, and their groups."""
    import numpy as np

    first = np.ones(len(groups), dtype=bool)
    first[1:] = groups[1:] != groups[:-1]
    leaders = members[np.maximum.accumulate(np.where(first, np.arange(len(groups)), 0))]
    return members[~first], leaders[~first], groups[~first]


def _similar(
    signature_file: Path, left: "NDArray[np.int32]", right: "NDArray[np.int32]", similarity: float
) -> "NDArray[np.bool_]":
    import mmap

    import numpy as np

    similar = np.zeros(len(left), dtype=bool)
    with signature_file.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # it goes with the last array that looks into it
    stored = np.frombuffer(mapped, dtype=np.uint16).reshape(-1, NUMBERS)
    for start in range(0, len(left), _PAIRS):
        pair = slice(start, start + _PAIRS)
        agreeing = (stored[left[pair]] == stored[right[pair]]).mean(axis=1)
        similar[pair] = agreeing >= similarity
        mapped.madvise(mmap.MADV_DONTNEED)  # pages around each row once read count as ours until we say otherwise
    return similar


def _link(labels: "NDArray[np.int32]", left: "NDArray[np.int32]", right: "NDArray[np.int32]") -> None:
    """Join the clusters of each pair. `labels` names for each row the smallest row of its cluster, before and after."""
    import numpy as np

    while True:
        one, other = labels[left], labels[right]
        apart = one != other
        if not apart.any():
            return
        left, right, one, other = left[apart], right[apart], one[apart], other[apart]
        np.minimum.at(labels, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(labels, flatter := labels[labels]):
            labels[:] = flatter
