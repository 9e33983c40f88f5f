"""Local files with all cleaned rows, in the order of the input, so that memory does not grow with their texts."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.prepare.chunk_cleaning import CLEANED_SCHEMA, CleanedChunk
from jobs.prepare.near_duplicates import SIGNATURE_NUMBERS, find_clusters
from jobs.prepare.rows import Reject
from jobs.storage.catalogue import REJECT_SCHEMA

_PRODUCTS, _REJECTS, _SIGNATURES, _SENTENCE_HASHES = "products", "rejects", "signatures", "sentence_hashes"
COLUMNS = {
    "rows": "int64",
    "uid_hashes": "uint64",
    "text_hashes": "uint64",
    "content_hashes": "uint64",
    "title_hashes": "uint64",
    "title_words": "int32",
    "content_words": "int32",
    "sentences": "int32",
}
_FILES = (*COLUMNS, _SIGNATURES, _SENTENCE_HASHES)


@dataclass(frozen=True)
class Boilerplate:
    """A sentence that is boilerplate, as it is written where it occurs first, and the number of clusters that have it."""

    sentence: str
    clusters: int


@dataclass(frozen=True)
class CleanedRows:
    """The cleaned rows of an input, in files in `folder`, and the number of rejects and the first reject for each reason.

    `boilerplate`: the sentences that were removed from the contents, the most frequent first.
    A column is read from its file at each call, so that memory holds only the columns in use.
    """

    folder: Path
    read: int
    cleaned: int
    reject_counts: dict[str, int]
    first_rejects: dict[str, Reject]
    boilerplate: tuple[Boilerplate, ...] = ()

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of `CleanedChunk`, one of `COLUMNS`, for all rows; shape (rows,)."""
        return np.fromfile(self.folder / name, dtype=COLUMNS[name])

    def clusters(self, kept: NDArray[np.bool_], similarity: float) -> NDArray[np.int32]:
        """Return for each row the index of the first row of its cluster, as `find_clusters()` does; `kept` has shape (rows,)."""
        return find_clusters(
            self.folder / _SIGNATURES, self.column("content_hashes"), self.column("title_hashes"), kept, similarity
        )

    @property
    def sentence_hash_file(self) -> Path:
        """The file with a hash, uint64, of each sentence of each content."""
        return self.folder / _SENTENCE_HASHES

    def batches(self) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        """Yield the cleaned rows and the rejects of each chunk, in the order of the input."""
        with (
            pa.OSFile(str(self.folder / _PRODUCTS)) as products,
            pa.OSFile(str(self.folder / _REJECTS)) as rejects,
        ):
            yield from zip(pa.ipc.open_stream(products), pa.ipc.open_stream(rejects), strict=True)

    def chunks(self) -> Iterator[CleanedChunk]:
        """Yield the chunks with all their columns, in the order of the input."""
        with ExitStack() as stack:
            files = {name: stack.enter_context((self.folder / name).open("rb")) for name in _FILES}
            for products, rejects in self.batches():
                rows = products.num_rows
                columns = {name: np.fromfile(files[name], kind, rows) for name, kind in COLUMNS.items()}
                signatures = np.fromfile(files[_SIGNATURES], np.uint16, rows * SIGNATURE_NUMBERS)
                hashes = np.fromfile(files[_SENTENCE_HASHES], np.uint64, int(columns["sentences"].sum()))
                yield CleanedChunk(
                    products, rejects, **columns, signatures=signatures.reshape(rows, -1), sentence_hashes=hashes
                )

    def delete(self) -> None:
        """Remove the files."""
        for name in (_PRODUCTS, _REJECTS, *_FILES):
            (self.folder / name).unlink()


def write_cleaned_rows(chunks: Iterable[CleanedChunk], folder: Path, advance: Callable[[int], None]) -> CleanedRows:
    """Write the chunks to files in `folder` as they arrive, and call `advance` with the number of rows of each."""
    reject_counts: dict[str, int] = {}
    first_rejects: dict[str, Reject] = {}
    cleaned = read = 0
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with (
        ExitStack() as stack,
        pa.OSFile(str(folder / _PRODUCTS), "wb") as product_file,
        pa.OSFile(str(folder / _REJECTS), "wb") as reject_file,
        pa.ipc.new_stream(product_file, CLEANED_SCHEMA, options=options) as products,
        pa.ipc.new_stream(reject_file, REJECT_SCHEMA, options=options) as rejects,
    ):
        columns = {name: stack.enter_context((folder / name).open("wb")) for name in _FILES}
        for chunk in chunks:
            products.write_batch(chunk.products)
            rejects.write_batch(chunk.rejects)
            for name, file in columns.items():
                file.write(getattr(chunk, name).tobytes())
            for index, reason in enumerate(chunk.rejects["reason"].to_pylist()):
                reject_counts[reason] = reject_counts.get(reason, 0) + 1
                if reason not in first_rejects:
                    [reject] = chunk.rejects.slice(index, 1).to_pylist()
                    first_rejects[reason] = Reject(**reject)
            cleaned += chunk.products.num_rows
            rows = chunk.products.num_rows + chunk.rejects.num_rows
            read += rows
            advance(rows)
    return CleanedRows(folder, read, cleaned, reject_counts, first_rejects)
