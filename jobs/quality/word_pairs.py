"""Which words the texts that a matcher learns from have side by side, and which end no sentence.

A model that has not learnt enough leaves words out of a sentence or exchanges one ("is made of birch Size: 500 Piece", "marked with
its yellow"). Two words are then side by side that no text of the catalogue has so, although chance alone would have put them there.
Or it stops in the middle ("made of birch for the").
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from jobs.quality.metrics import sentences
from jobs.quality.terms import terms
from jobs.text.hashes import hashes

_PAIR_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""An odd number: the hash of `a b` differs from that of `b a`."""

MIN_OCCURRENCES, MAX_LAST_SHARE = 1000, 0.002
"""A word with at least this number of occurrences, of which at most this share end a sentence, is taken to end none."""


@dataclass(frozen=True)
class UnseenPair:
    """Two adjacent words that no text of the catalogue has side by side. `expected`: how often chance would have put them there."""

    words: str
    expected: float


@dataclass(frozen=True)
class WordPairs:
    """The adjacent words of the titles and texts of a catalogue.

    `words`: hashes of the words, sorted. `first`, `second`: how often each is the first and the second of two. `last`: how often it
    ends a sentence. `pairs`: hashes of the pairs that occur, sorted.
    """

    words: NDArray[np.uint64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    last: NDArray[np.int64]
    pairs: NDArray[np.uint64]

    def unseen_pair(self, title: str, text: str) -> UnseenPair | None:
        """Return the pair of adjacent words in a text that is least expected to be unseen, None if all are seen.

        Words of the title may be side by side: its maker and its kind may be new to each other.
        """
        words = terms(text)
        hashed = hashes(words)
        in_title = np.isin(hashed, hashes(terms(title)))
        known = (in_title[:-1] & in_title[1:]) | _find(self.pairs, _pair_hashes(hashed))[0]
        as_first, as_second = self._counts(self.first, hashed[:-1]), self._counts(self.second, hashed[1:])
        expected = np.where(known, 0.0, as_first * as_second / max(1, self.first.sum()))
        if not expected.any():
            return None
        strongest = int(expected.argmax())
        return UnseenPair(" ".join(words[strongest : strongest + 2]), float(expected[strongest]))

    def ends_within_a_sentence(self, text: str) -> bool:
        """Return whether the last word of a text ends no sentence of the catalogue, although it is frequent."""
        last_word = hashes(terms(text)[-1:])
        occurrences, ends = self._counts(self.first, last_word), self._counts(self.last, last_word)
        return bool(np.any((occurrences >= MIN_OCCURRENCES) & (ends < MAX_LAST_SHARE * occurrences)))

    def save(self, path: Path) -> None:
        """Write the word pairs as safetensors."""
        save_file({name: np.ascontiguousarray(values) for name, values in vars(self).items()}, path)

    def _counts(self, counts: NDArray[np.int64], hashed: NDArray[np.uint64]) -> NDArray[np.int64]:
        found, where = _find(self.words, hashed)
        return np.where(found, counts[where], 0) if found.any() else np.zeros(len(hashed), dtype=np.int64)


def count_word_pairs(texts: Iterable[str]) -> WordPairs:
    """Return the word pairs of texts."""
    hashed, last_words = [hashes([])], [""]
    for text in texts:
        hashed.append(hashes(terms(text)))
        last_words += [of_sentence[-1] for sentence in sentences(text) if (of_sentence := terms(sentence))]
    first, second, pairs = (
        np.concatenate(parts)
        for parts in (
            [part[:-1] for part in hashed],
            [part[1:] for part in hashed],
            [_pair_hashes(part) for part in hashed],
        )
    )
    words = np.unique(np.concatenate([first, second]))
    as_first, as_second, as_last = (_count(words, side) for side in (first, second, hashes(last_words)))
    return WordPairs(words, as_first, as_second, as_last, np.unique(pairs))


def no_word_pairs() -> WordPairs:
    """Return the word pairs of no text: chance would put none into a text, and so none is unseen."""
    return count_word_pairs([])


def load_word_pairs(path: Path) -> WordPairs:
    """Return the word pairs of a file that `WordPairs.save()` wrote."""
    return WordPairs(**load_file(path))


def _pair_hashes(hashed: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hashes of adjacent words, shape (words - 1,)."""
    return hashed[:-1] * _PAIR_FACTOR + hashed[1:]


def _count(words: NDArray[np.uint64], hashed: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how often each of the sorted words is among the others."""
    found, where = _find(words, hashed)
    return np.bincount(where[found], minlength=len(words))


def _find(ordered: NDArray[np.uint64], values: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which values are in a sorted array, and where."""
    if not len(ordered):
        return np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=np.int64)
    where = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return ordered[where] == values, where
