"""Boilerplate: sentences that recur in the contents of many products and do not follow from their titles, such as guarantees, slogans and
terms of delivery. A model that learns them writes them about products to which they may not apply.

A sentence is boilerplate if it is in the contents of many clusters and does not follow from the titles that it occurs with, as
`Colour: red.` follows from `Red`. A sentence of one word counts only as an exclamation, `New!`: others are abbreviations or the numbers
of items, `Sq. Ft.` and `1.` Case and the final punctuation are ignored.

A part of a sentence between dashes is boilerplate too, as in `Alarm, Stop Watch - Lowest Prices, Free Shipping.`, if it has at least
4 words and is at the end of a sentence, or a sentence of its own, in at least half of its uses. Others are attributes in a list, such as
`20 ft - 24 AWG copper wire - Blue`.

The sentences that recur are found by their hashes, in the files of the cleaned rows. Then only the rows that have one are parsed: once
to see how it is used, and once to remove it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.prepare.chunk_cleaning import CleanedChunk, with_columns
from jobs.prepare.cleaned_rows import COLUMNS, Boilerplate, CleanedRows, write_cleaned_rows
from jobs.prepare.rows import ProductRow
from jobs.prepare.sentences import TITLE, comparable, is_complete, is_long, joined, parts_of, with_placeholder
from jobs.process import log
from jobs.quality.metrics import words
from jobs.quality.terms import has_digit
from jobs.storage.columns import number_column
from jobs.text.hashes import first_of_each, hashes

MIN_EXPLAINED_SHARE = 0.25
"""The fraction of a sentence's words that the titles must explain: half of `Colour: red.` is in them, an eighth of `Every piece has
a shape of its own.`"""
SAMPLED_TITLES = 5000
"""The number of titles that show how common a word is in the titles of a catalogue."""

_SENTENCES_PER_PASS = 1 << 21


class _Part(NamedTuple):
    """A sentence, or a part of one between dashes, its hash, and whether it is or ends a sentence. A short part has no hash."""

    text: str
    key: int | None
    ends_sentence: bool


class _Sentence(NamedTuple):
    whole: _Part
    parts: list[_Part]


@dataclass
class _Use:
    """The products that have a sentence or a part of one.

    Their number, how many have it at the end of a sentence, and in how many of their titles each of its words is.
    """

    sentence: str
    products: int = 0
    at_end: int = 0
    in_titles: Counter[str] = field(default_factory=Counter)

    def add(self, title: str, *, at_end: bool) -> None:
        self.products += 1
        self.at_end += at_end
        self.in_titles.update(set(words(self.sentence)).intersection(words(title)))

    def is_attribute(self) -> bool:
        """Return whether it is a part in the middle of most of its sentences, or of sentences without an end."""
        return 2 * self.at_end < self.products

    def follows_from_titles(self, common: Mapping[str, float]) -> bool:
        """Return whether the titles explain the sentence.

        At least half of its titles have each of its numbers, and a quarter of its words are absent from its titles at most half
        as often as from all titles. `common`: the fraction of all titles that have each word.
        """
        distinct = set(words(self.sentence))
        explained = [
            word
            for word, count in self.in_titles.items()
            if common[word] < 1 and 1 - count / self.products <= (1 - common[word]) / 2
        ]
        return len(explained) >= MIN_EXPLAINED_SHARE * len(distinct) and all(
            2 * self.in_titles[number] >= self.products for number in filter(has_digit, distinct)
        )


def without_boilerplate(
    cleaned: CleanedRows, similarity: float, min_clusters: int, min_content_characters: int
) -> CleanedRows:
    """Return the rows without the sentences that are boilerplate of at least `min_clusters` clusters.

    If there are any, the rows are written to a folder below theirs, and the files that they had are removed. `similarity`: that
    of the texts of a cluster, 0.5 to 1. A content of which fewer than `min_content_characters` would be left, or no more than the
    title, stays as it is.
    """
    found = _find(cleaned, similarity, min_clusters)
    if not found:
        return cleaned
    most_frequent = sorted(found.values(), key=lambda item: (-item.clusters, item.sentence))
    log.info("boilerplate removed", sentences=len(found), most_frequent=most_frequent[0].sentence)
    folder = cleaned.folder / "without-boilerplate"
    folder.mkdir()
    chunks = (_without(chunk, found, min_content_characters) for chunk in cleaned.chunks())
    rest = write_cleaned_rows(chunks, folder, lambda _rows: None)
    cleaned.delete()
    return replace(rest, boilerplate=tuple(most_frequent))


def _find(cleaned: CleanedRows, similarity: float, min_clusters: int) -> dict[int, Boilerplate]:
    """Return the boilerplate by the hash of the sentence."""
    recurring = _recurring(cleaned, similarity, min_clusters)
    uses: dict[int, _Use] = {}
    for chunk in cleaned.chunks() if recurring else ():
        for _, row, sentences in _rows_with(chunk, recurring):
            for part in (part for sentence in sentences for part in (sentence.whole, *sentence.parts)):
                if part.key in recurring:
                    uses.setdefault(part.key, _Use(part.text)).add(row.title, at_end=part.ends_sentence)
    common = _shares_of_titles(cleaned, {word for use in uses.values() for word in use.in_titles})
    return {
        key: Boilerplate(use.sentence.replace(TITLE, "TITLE"), recurring[key])
        for key, use in uses.items()
        if not (use.is_attribute() or use.follows_from_titles(common))
    }


def _recurring(cleaned: CleanedRows, similarity: float, min_clusters: int) -> dict[int, int]:
    """Return the number of clusters of each sentence that at least `min_clusters` of them have, by the hash of the sentence.

    Only the rows that share a sentence with at least `min_clusters` rows are clustered. The other rows, most of a catalogue,
    cannot change these numbers.
    """
    kept = first_of_each(cleaned.column("uid_hashes"))
    in_question = np.zeros(len(kept), dtype=bool)
    for values, owners in _sentences_by_remainder(cleaned):
        _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
        in_question[owners[counts[number] >= min_clusters]] = True
    in_question &= kept
    clusters = cleaned.clusters(in_question, similarity).astype(np.int64)
    found: dict[int, int] = {}
    for values, owners in _sentences_by_remainder(cleaned):
        used = in_question[owners]
        distinct, number = np.unique(values[used], return_inverse=True)
        pairs = np.unique(number * len(clusters) + clusters[owners[used]])
        counts = np.bincount(pairs // len(clusters), minlength=len(distinct))
        often = counts >= min_clusters
        found.update(zip(distinct[often].tolist(), counts[often].tolist(), strict=True))
    return found


def _sentences_by_remainder(cleaned: CleanedRows) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Yield the hash of each sentence with its row, those with the same remainder together.

    Each pass over the file selects one remainder, so that memory does not grow with the number of sentences.
    """
    ends = np.cumsum(cleaned.column("sentences"), dtype=np.int64)  # the number of sentences up to each row
    passes = -(-int(ends[-1]) // _SENTENCES_PER_PASS) if len(ends) else 0
    for remainder in range(passes):
        values, places, start = [], [], 0
        with cleaned.sentence_hash_file.open("rb") as file:
            while len(block := np.fromfile(file, np.uint64, _SENTENCES_PER_PASS)):
                chosen = np.flatnonzero(block % np.uint64(passes) == remainder)
                values.append(block[chosen])
                places.append(start + chosen)
                start += len(block)
        yield np.concatenate(values), np.searchsorted(ends, np.concatenate(places), side="right")


def _shares_of_titles(cleaned: CleanedRows, vocabulary: set[str]) -> dict[str, float]:
    """Return the fraction of the titles that have each of these words, in a sample of evenly spaced rows."""
    step = max(1, cleaned.cleaned // SAMPLED_TITLES)
    counts: Counter[str] = Counter()
    titles = first = 0
    for products, _ in cleaned.batches():
        sampled = np.arange(-first % step, products.num_rows, step)
        first += products.num_rows
        titles += len(sampled)
        for title in products["title"].take(number_column(sampled)).to_pylist():
            counts.update(vocabulary.intersection(words(title)))
    return {word: counts[word] / titles for word in vocabulary}


def _without(chunk: CleanedChunk, boilerplate: Mapping[int, Boilerplate], min_content_characters: int) -> CleanedChunk:
    """Return the chunk without these sentences."""
    positions, changed = [], []
    for position, row, sentences in _rows_with(chunk, boilerplate):
        kept = filter(None, (_rest(sentence, boilerplate) for sentence in sentences))
        content = " ".join(kept).replace(TITLE, row.title)
        if len(content) >= min_content_characters and content.lower().rstrip(".") != row.title.lower():
            positions.append(position)
            changed.append(row._replace(content=content))
    return _with_rows(chunk, positions, changed) if changed else chunk


def _rest(sentence: _Sentence, boilerplate: Mapping[int, Boilerplate]) -> str:
    """Return what is left of a sentence without these sentences and parts."""
    if sentence.whole.key in boilerplate:
        return ""
    kept = [part.text for part in sentence.parts if part.key not in boilerplate]
    return sentence.whole.text if len(kept) == len(sentence.parts) else joined(kept, sentence.whole.text)


def _rows_with(chunk: CleanedChunk, keys: Mapping[int, Any]) -> Iterator[tuple[int, ProductRow, list[_Sentence]]]:
    """Yield each row that may have one of these sentences: its position in the chunk, the row, its sentences and their hashes."""
    known = np.isin(chunk.sentence_hashes, np.array(list(keys), dtype=np.uint64))
    positions = np.unique(np.searchsorted(np.cumsum(chunk.sentences), np.flatnonzero(known), side="right"))
    products = chunk.products.take(number_column(positions)).to_pylist()
    for position, row in zip(positions.tolist(), (ProductRow(**product) for product in products), strict=True):
        yield position, row, [_parsed(sentence) for sentence in with_placeholder(row.title, row.content)]


def _parsed(sentence: str) -> _Sentence:
    parts = parts_of(sentence)
    key, *keys = hashes(map(comparable, [sentence, *parts])).tolist()
    return _Sentence(
        _Part(sentence, key, ends_sentence=True),
        [
            _Part(part, part_key if is_long(part) else None, number == len(parts) and is_complete(part))
            for number, (part, part_key) in enumerate(zip(parts, keys, strict=True), 1)
        ],
    )


def _with_rows(chunk: CleanedChunk, positions: list[int], rows: list[ProductRow]) -> CleanedChunk:
    """Return the chunk with these rows at these positions."""
    changed = with_columns(rows, chunk.rejects)
    count = chunk.products.num_rows
    source = np.arange(count)  # of each row: where it is in the chunk followed by the changed rows
    source[positions] = count + np.arange(len(rows))
    columns = {
        name: np.concatenate([getattr(chunk, name), getattr(changed, name)])[source]
        for name in (*COLUMNS, "signatures")
    }
    products, sentence_hashes = (
        both.take(number_column(source))
        for both in (
            pa.concat_batches([chunk.products, changed.products]),
            pa.concat_arrays([_sentence_lists(chunk), _sentence_lists(changed)]),
        )
    )
    return CleanedChunk(products, chunk.rejects, **columns, sentence_hashes=sentence_hashes.flatten().to_numpy())


def _sentence_lists(chunk: CleanedChunk) -> pa.ListArray:
    """Return the sentence hashes of each row."""
    offsets = np.concatenate([[0], np.cumsum(chunk.sentences)]).astype(np.int32)
    values = pa.Array.from_buffers(pa.uint64(), len(chunk.sentence_hashes), [None, pa.py_buffer(chunk.sentence_hashes)])
    buffers = [None, pa.py_buffer(offsets)]
    return pa.Array.from_buffers(pa.list_(pa.uint64()), len(chunk.sentences), buffers, children=[values])
