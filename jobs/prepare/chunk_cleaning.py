"""One chunk of raw rows cleaned: the work of one process, with its results as Arrow and NumPy columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.prepare.near_duplicates import normalised, signatures, title_hashes
from jobs.prepare.rows import ProductRow, Reject, excerpt, parse_rows
from jobs.prepare.sentences import rough_sentences, without_cut_off_sentence
from jobs.storage.catalogue import MAX_TITLE_CHARACTERS, REJECT_SCHEMA
from jobs.storage.chunks import Chunk
from jobs.storage.columns import number_column, text_column
from jobs.storage.fields import DEFAULT_FIELDS, Fields
from jobs.text.cleaning import Profile, clean_all
from jobs.text.hashes import hashes

CLEANED_SCHEMA = pa.schema(
    [("uid", pa.string()), ("title", pa.string()), ("content", pa.string()), ("row", pa.int64())]
)


@dataclass(frozen=True)
class CleaningRules:
    """How a row is cleaned, which rows are rejected, and which fields of a row are read."""

    profile: Profile
    max_row_bytes: int
    min_content_characters: int
    max_content_characters: int
    fields: Fields = DEFAULT_FIELDS


@dataclass(frozen=True)
class CleanedChunk:
    """The n cleaned rows of a chunk, schema `CLEANED_SCHEMA`, its rejects, and columns of shape (n,) about the cleaned rows.

    `text_hashes` are of title and content and ignore case. `content_hashes` are of the words of the content, `title_hashes` of those
    of a title with at least 3, otherwise 0; both ignore punctuation too. `signatures` has shape (n, 64).
    `sentences` is the number of sentences of each content, as `rough_sentences()` finds them; `sentence_hashes` has the hash of
    each, row after row.
    """

    products: pa.RecordBatch
    rejects: pa.RecordBatch
    rows: NDArray[np.int64]
    uid_hashes: NDArray[np.uint64]
    text_hashes: NDArray[np.uint64]
    content_hashes: NDArray[np.uint64]
    title_hashes: NDArray[np.uint64]
    title_words: NDArray[np.int32]
    content_words: NDArray[np.int32]
    sentences: NDArray[np.int32]
    signatures: NDArray[np.uint16]
    sentence_hashes: NDArray[np.uint64]


def clean_chunk(chunk: Chunk, rules: CleaningRules) -> CleanedChunk:
    """Return the cleaned rows of a chunk, and its rejects."""
    results = clean_rows(chunk, rules)
    rejects = [result for result in results if isinstance(result, Reject)]
    return with_columns([result for result in results if isinstance(result, ProductRow)], reject_batch(rejects))


def with_columns(rows: Sequence[ProductRow], rejects: pa.RecordBatch) -> CleanedChunk:
    """Return a chunk of cleaned rows, with the columns about them."""
    sentences_of = [rough_sentences(row.title, row.content) for row in rows]
    return CleanedChunk(
        products=product_batch(rows),
        rejects=rejects,
        rows=np.array([row.row for row in rows], dtype=np.int64),
        uid_hashes=hashes(row.uid for row in rows),
        text_hashes=hashes(f"{row.title}\n{row.content}".lower() for row in rows),
        content_hashes=hashes(normalised(row.content) for row in rows),
        title_hashes=title_hashes(row.title for row in rows),
        title_words=np.array([row.title.count(" ") + 1 for row in rows], dtype=np.int32),
        content_words=np.array([row.content.count(" ") + 1 for row in rows], dtype=np.int32),
        sentences=np.array([len(parts) for parts in sentences_of], dtype=np.int32),
        signatures=signatures([f"{row.title} {row.content}" for row in rows]),
        sentence_hashes=hashes(part for parts in sentences_of for part in parts),
    )


def clean_rows(chunk: Chunk, rules: CleaningRules) -> list[ProductRow | Reject]:
    """Return every row of a chunk, cleaned or rejected, in the order of the input."""
    parsed = list(parse_rows(chunk, rules.fields, rules.max_row_bytes))
    raw = [row for row in parsed if isinstance(row, ProductRow)]
    titles = iter(clean_all([row.title for row in raw], rules.profile))
    contents = iter(clean_all([row.content for row in raw], rules.profile))
    return [row if isinstance(row, Reject) else _check(row, next(titles), next(contents), rules) for row in parsed]


def product_batch(rows: Sequence[ProductRow]) -> pa.RecordBatch:
    """Return cleaned rows as Arrow, schema `CLEANED_SCHEMA`."""
    columns = [
        text_column([row.uid for row in rows]),
        text_column([row.title for row in rows]),
        text_column([row.content for row in rows]),
        number_column(np.array([row.row for row in rows], dtype=np.int64)),
    ]
    return pa.record_batch(columns, schema=CLEANED_SCHEMA)


def reject_batch(rejects: Sequence[Reject]) -> pa.RecordBatch:
    """Return rejects as Arrow, schema `jobs.storage.catalogue.REJECT_SCHEMA`."""
    columns = [
        number_column(np.array([reject.row for reject in rejects], dtype=np.int64)),
        text_column([reject.uid for reject in rejects]),
        text_column([reject.reason for reject in rejects]),
        text_column([reject.text for reject in rejects]),
    ]
    return pa.record_batch(columns, schema=REJECT_SCHEMA)


def _check(raw: ProductRow, title: str, content: str, rules: CleaningRules) -> ProductRow | Reject:
    """Return the row with its cleaned title and content, or its rejection."""
    if len(raw.title) > MAX_TITLE_CHARACTERS:
        return Reject(raw.row, raw.uid, "title-too-long", excerpt(raw.title))
    if not title:
        return Reject(raw.row, raw.uid, "title-empty-once-cleaned", excerpt(raw.title))
    if not content:
        return Reject(raw.row, raw.uid, "content-empty-once-cleaned", excerpt(raw.content))
    if len(content) < rules.min_content_characters:
        return Reject(raw.row, raw.uid, "content-too-short", excerpt(raw.content))
    content = without_cut_off_sentence(raw.content, content)
    may_be_equal = len(content) < 4 * len(title)  # lower case makes a text at most three times as long
    if may_be_equal and content.lower() == title.lower():
        return Reject(raw.row, raw.uid, "content-repeats-title", excerpt(raw.content))
    if len(content) > rules.max_content_characters:
        content = _truncate(content, rules.max_content_characters)
    return ProductRow(raw.row, raw.uid, title, content)


def _truncate(text: str, characters: int) -> str:
    """Return the beginning of a text, up to the end of a word if there is one in its second half."""
    start = text[: characters + 1]
    return start[: start.rfind(" ")] if " " in start[characters // 2 :] else text[:characters]
