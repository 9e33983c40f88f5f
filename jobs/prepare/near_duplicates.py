"""Clusters of products with the same content or nearly the same text: MinHash signatures, banded, then verified.

A signature is 64 numbers of 16 bits. The fraction of positions in which two signatures agree estimates the Jaccard
similarity of the word pairs of their texts (Broder 1997), without case and punctuation. Rows that agree on all 4 numbers of a band
are candidates. A lower similarity needs more bands: of the pairs whose estimated similarity just reaches the setting, at least 99 %
are candidates. That takes 16 bands from 0.704 on, 34 at 0.6 and 80 at 0.5.

In a band, a row is compared with the first rows that have the same numbers, not with all of them. Where very many rows are
similar, some candidates are therefore not compared. In 20,000 rows of the generated sample, which is made from 10 templates, 100 % of
the pairs that just reach 0.5 share a cluster, 99.5 % at 0.6, and 94 % at 0.7 and 0.8.

Signatures are read from a file, so that memory does not grow with them.
"""

import math
import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from jobs.text.hashes import hashes

SIGNATURE_NUMBERS, BAND_NUMBERS = 64, 4
MIN_BANDS = 16
MIN_TITLE_WORDS = 3
SAME_TITLE_SIMILARITY = 0.5
"""The similarity from which rows with the same title share a cluster: the title is the prompt of a model."""
MIN_CANDIDATE_SHARE = 0.99
"""Smallest fraction of candidates among the pairs whose estimated similarity just reaches the setting."""

_SEED = 20_011
_MAX_LEADERS = 16  # per band and group: each round compares the remaining rows with the first of them
_BLOCK_ROWS = 1 << 15
_BLOCK_PAIRS = 1 << 9
_PUNCTUATION = (
    r"\s\x00-/:-@\[-`{-\x9f¡-§«»·¿\u2000-\u206f\u3000-\u303f\u30fb"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_WITHOUT_SPACES = (  # Thai, Lao, Burmese, Khmer, kana and Chinese characters
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
_WORD = re.compile(f"[^{_PUNCTUATION}]+")
_SPACED = bytes(code if chr(code).isalnum() else ord(" ") for code in range(128)) + bytes(range(128, 256))
_UNSPACED = re.compile(f"[{_WITHOUT_SPACES}]")
_TOKEN = re.compile(f"[{_WITHOUT_SPACES}]|[^{_PUNCTUATION}{_WITHOUT_SPACES}]+")


def signatures(texts: Sequence[str]) -> NDArray[np.uint16]:
    """Return the signature of each text, shape (texts, 64)."""
    if not texts:
        return np.empty((0, SIGNATURE_NUMBERS), dtype=np.uint16)
    matrix = RMinHash.digest_matrix_from_token_sets([_shingles(text) for text in texts], SIGNATURE_NUMBERS, _SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32).astype(np.uint16)


def normalised(text: str) -> str:
    """Return the words of a text in lower case with one space between, without punctuation."""
    return " ".join(_words(text.lower()))


def title_hashes(titles: Iterable[str]) -> NDArray[np.uint64]:
    """Return a hash of the words of each title, or 0 for a title of fewer than 3 words."""
    words = [normalised(title) for title in titles]
    long = np.array([title.count(" ") + 1 >= MIN_TITLE_WORDS for title in words], dtype=bool)
    return np.where(long, hashes(words), np.uint64(0))


def find_clusters(
    signature_file: Path,
    content_hashes: NDArray[np.uint64],
    title_hashes: NDArray[np.uint64],
    kept: NDArray[np.bool_],
    similarity: float,
) -> NDArray[np.int32]:
    """Return for each of n rows the index of the first row of its cluster, shape (n,).

    `signature_file` holds n signatures; `content_hashes`, `title_hashes` and `kept` have shape (n,). Two rows share a cluster if
    they have the same content (whatever their titles, because the content is what a model learns to write), if the estimated
    similarity of their texts is at least `similarity` (0.5 to 1), if they have the same title of at least 3 words and that
    similarity is at least 0.5, or if a chain of such pairs connects them. A row that is not kept is its own cluster.
    """
    rows = np.flatnonzero(kept).astype(np.int32)
    labels = np.arange(len(kept), dtype=np.int32)
    members, groups = _groups(content_hashes[rows], rows)
    del content_hashes  # 8 bytes per row that are not needed any more
    _link(labels, *_with_leaders(members, groups)[:2])
    if len(rows) < 2:
        return labels
    titled = rows[title_hashes[rows] != 0]
    members, groups = _groups(title_hashes[titled], titled)
    del title_hashes, titled
    _link_similar(labels, members, groups, signature_file, SAME_TITLE_SIMILARITY)
    for positions in _bands(similarity):
        members, groups = _groups(_band_keys(signature_file, positions)[rows], rows)
        _link_similar(labels, members, groups, signature_file, similarity)
    return labels


def _shingles(text: str) -> list[str]:
    """Return the pairs of neighbouring words, or of a script without spaces the trigrams of characters."""
    text = text.lower()
    if not text.isascii() and _UNSPACED.search(text):
        tokens = _TOKEN.findall(text)
        return [
            one + two + (three if _UNSPACED.match(one) and _UNSPACED.match(two) else "")
            for one, two, three in zip(tokens, tokens[1:], [*tokens[2:], ""], strict=False)
        ] or tokens
    words = _words(text)
    return [one + two for one, two in pairwise(words)] if len(words) > 1 else words


def _words(text: str) -> list[str]:
    """Return the words of a text without punctuation; for ASCII in half the time of the search."""
    return text.encode().translate(_SPACED).decode().split() if text.isascii() else _WORD.findall(text)


def _bands(similarity: float) -> Iterator[list[int]]:
    """Yield the positions of each band in a signature. No two bands are equal, and each 16 in turn do not overlap."""
    for band in range(_band_count(similarity)):
        distance = 2 * (band // MIN_BANDS) + 1
        first = BAND_NUMBERS * band
        yield [number * distance % SIGNATURE_NUMBERS for number in range(first, first + BAND_NUMBERS)]


def _band_count(similarity: float) -> int:
    """Return how many bands make enough candidates of the pairs that agree in the smallest sufficient number of positions."""
    agreeing = math.ceil(similarity * SIGNATURE_NUMBERS)
    share = math.comb(agreeing, BAND_NUMBERS) / math.comb(SIGNATURE_NUMBERS, BAND_NUMBERS)  # that agree on a given band
    if share == 1:
        return MIN_BANDS
    return max(MIN_BANDS, math.ceil(math.log(1 - MIN_CANDIDATE_SHARE) / math.log(1 - share)))


def _band_keys(signature_file: Path, positions: Sequence[int]) -> NDArray[np.uint64]:
    """Return one band of every signature, its four 16-bit numbers as one of 64 bits, shape (n,)."""
    values = np.empty(signature_file.stat().st_size // (SIGNATURE_NUMBERS * 2), dtype=np.uint64)
    start = 0
    with signature_file.open("rb") as file:
        while data := file.read(_BLOCK_ROWS * SIGNATURE_NUMBERS * 2):
            block = np.frombuffer(data, dtype=np.uint16).reshape(-1, SIGNATURE_NUMBERS)[:, positions]
            values[start : start + len(block)] = np.ascontiguousarray(block).view(np.uint64)[:, 0]
            start += len(block)
    return values


def _groups(keys: NDArray[np.uint64], rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the rows that share their key with another row, sorted by key and row, and the group number of each."""
    order = np.argsort(keys, kind="stable").astype(np.int32)
    keys = keys[order]
    same_as_before = np.zeros(len(keys), dtype=bool)
    same_as_before[1:] = keys[1:] == keys[:-1]
    shared = same_as_before.copy()
    shared[:-1] |= same_as_before[1:]
    return rows[order[shared]], np.cumsum(~same_as_before[shared], dtype=np.int32)


def _with_leaders(
    members: NDArray[np.int32], groups: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return the members of each group except its first one, the leader; the leader of each; and the group of each."""
    first = np.ones(len(groups), dtype=bool)
    first[1:] = groups[1:] != groups[:-1]
    leaders = members[np.maximum.accumulate(np.where(first, np.arange(len(groups)), 0))]
    return members[~first], leaders[~first], groups[~first]


def _link_similar(
    labels: NDArray[np.int32],
    members: NDArray[np.int32],
    groups: NDArray[np.int32],
    signature_file: Path,
    similarity: float,
) -> None:
    """Join the clusters of members of the same group that are similar, by comparing each with the first ones of its group."""
    for _ in range(_MAX_LEADERS):
        members, leaders, groups = _with_leaders(members, groups)
        if not len(members):
            break
        joined = labels[members] == labels[leaders]
        joined[~joined] = _similar(signature_file, members[~joined], leaders[~joined], similarity)
        _link(labels, members[joined], leaders[joined])
        members, groups = members[~joined], groups[~joined]


def _similar(
    signature_file: Path, left: NDArray[np.int32], right: NDArray[np.int32], similarity: float
) -> NDArray[np.bool_]:
    """Return whether the estimated similarity of each pair of rows is at least `similarity`."""
    similar = np.zeros(len(left), dtype=bool)
    with signature_file.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last array that refers to it
    stored = np.frombuffer(mapped, dtype=np.uint16).reshape(-1, SIGNATURE_NUMBERS)
    for start in range(0, len(left), _BLOCK_PAIRS):
        pairs = slice(start, start + _BLOCK_PAIRS)
        agreement = (stored[left[pairs]] == stored[right[pairs]]).mean(axis=1)
        similar[pairs] = agreement >= similarity
        mapped.madvise(mmap.MADV_DONTNEED)  # pages that were read count as memory of this process until then
    return similar


def _link(labels: NDArray[np.int32], left: NDArray[np.int32], right: NDArray[np.int32]) -> None:
    """Join the clusters of each pair. Before and after, `labels` holds for each row the first row of its cluster."""
    while True:
        one, other = labels[left], labels[right]
        apart = one != other
        if not apart.any():
            return
        left, right, one, other = left[apart], right[apart], one[apart], other[apart]
        np.minimum.at(labels, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(labels, flatter := labels[labels]):
            labels[:] = flatter
