"""Hashes of texts, to compare those of a whole catalogue in little memory."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Return a hash of each text."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8")


def first_of_each(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return whether each value occurs for the first time, shape (n,).

    Of two million different uids, the probability that any two have the same 64-bit hash is 1 in 10^7.
    """
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first
