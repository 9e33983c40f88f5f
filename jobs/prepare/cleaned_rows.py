"""Raw rows to clean rows: what a worker does with a chunk, and the local files that hold the results until they are dealt out.

The files lie in the order of the input.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.prepare.near_duplicates import signatures
from jobs.prepare.rows import Chunk, RawRow, Reject, parsed, shown
from jobs.storage.catalogue import REJECT_SCHEMA
from jobs.storage.columns import number_column, text_column
from jobs.text.cleaning import Profile, clean_all

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_COLUMNS = {
    "rows": "int64", "uid_hashes": "uint64", "text_hashes": "uint64", "content_hashes": "uint64", "title_words": "int32",
    "content_words": "int32",
}  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """What makes a row fit for the catalogue."""

    profile: Profile
    max_row_bytes: int
    min_content_characters: int
    max_content_characters: int


@dataclass(frozen=True)
class CleanedChunk:
    """The rows of one chunk: n kept, as Arrow, and what is known of each, shapes (n,) and (n, 64); the rejects; all read."""

    products: "pa.RecordBatch"
    rejects: "pa.RecordBatch"
    rows: "NDArray[np.int64]"
    uid_hashes: "NDArray[np.uint64]"
    text_hashes: "NDArray[np.uint64]"
    content_hashes: "NDArray[np.uint64]"
    title_words: "NDArray[np.int32]"
    content_words: "NDArray[np.int32]"
    signatures: "NDArray[np.uint16]"


@dataclass(frozen=True)
class CleanedRows:
    """All kept rows, in files in `folder`: their texts, and per row its number in the input and what is known of it.

    Each of those columns is read when it is asked for, shape (n,), so that memory holds no more of them than are in use.
    """

    folder: Path
    kept: int
    read: int
    reasons: dict[str, int]

    @property
    def rows(self) -> "NDArray[np.int64]":
        """The number of each row in the input, from 1."""
        return self._column("rows")

    @property
    def uid_hashes(self) -> "NDArray[np.uint64]":
        """A hash of each uid."""
        return self._column("uid_hashes")

    @property
    def text_hashes(self) -> "NDArray[np.uint64]":
        """A hash of each title and content together, whatever their case."""
        return self._column("text_hashes")

    @property
    def content_hashes(self) -> "NDArray[np.uint64]":
        """A hash of each content, whatever its case."""
        return self._column("content_hashes")

    @property
    def title_words(self) -> "NDArray[np.int32]":
        """How many words each title has."""
        return self._column("title_words")

    @property
    def content_words(self) -> "NDArray[np.int32]":
        """How many words each content has."""
        return self._column("content_words")

    @property
    def signature_file(self) -> Path:
        """The signatures of all kept rows, 64 numbers of 16 bits each."""
        return self.folder / "signatures"

    def batches(self) -> Iterator[tuple["pa.RecordBatch", "pa.RecordBatch"]]:
        """The kept and the rejected rows of each chunk, in the order of the input."""
        import pyarrow as pa

        with (
            pa.OSFile(str(self.folder / "products")) as products,
            pa.OSFile(str(self.folder / "rejects")) as rejects,
        ):
            yield from zip(pa.ipc.open_stream(products), pa.ipc.open_stream(rejects), strict=True)

    def _column(self, name: str) -> "NDArray[Any]":
        import numpy as np

        return np.fromfile(self.folder / name, dtype=_COLUMNS[name])


def cleaned_schema() -> "pa.Schema":
    """uid, title, content: string; row: int64."""
    import pyarrow as pa

    text = pa.string()
    return pa.schema([("uid", text), ("title", text), ("content", text), ("row", pa.int64())])


def cleaned_chunk(chunk: Chunk, rules: Rules) -> CleanedChunk:
    """Clean the rows of a chunk, and say why each of the others is left out."""
    import numpy as np

    results = judged_rows(chunk, rules)
    kept = [result for result in results if isinstance(result, RawRow)]
    rejects = [result for result in results if isinstance(result, Reject)]
    texts = [f"{row.title} {row.content}" for row in kept]
    return CleanedChunk(
        products=product_batch(kept),
        rejects=reject_batch(rejects),
        rows=np.array([row.row for row in kept], dtype=np.int64),
        uid_hashes=_hashes(row.uid for row in kept),
        text_hashes=_hashes(f"{row.title}\n{row.content}".lower() for row in kept),
        content_hashes=_hashes(row.content.lower() for row in kept),
        title_words=np.array([row.title.count(" ") + 1 for row in kept], dtype=np.int32),
        content_words=np.array([row.content.count(" ") + 1 for row in kept], dtype=np.int32),
        signatures=signatures(texts),
    )


def reject_batch(rejects: Sequence[Reject]) -> "pa.RecordBatch":
    """Rejects as Arrow, schema `jobs.storage.catalogue.REJECT_SCHEMA`."""
    import numpy as np
    import pyarrow as pa

    columns = [
        number_column(np.array([reject.row for reject in rejects], dtype=np.int64)),
        text_column([reject.uid for reject in rejects]),
        text_column([reject.reason for reject in rejects]),
        text_column([reject.text for reject in rejects]),
    ]
    return pa.record_batch(columns, schema=REJECT_SCHEMA)


def judged_rows(chunk: Chunk, rules: Rules) -> list[RawRow | Reject]:
    """Every row of a chunk, cleaned, or with the reason why it is left out."""
    items = list(parsed(chunk, rules.max_row_bytes))
    raw = [item for item in items if isinstance(item, RawRow)]
    titles = iter(clean_all([row.title for row in raw], rules.profile))
    contents = iter(clean_all([row.content for row in raw], rules.profile))
    return [item if isinstance(item, Reject) else _judged(item, next(titles), next(contents), rules) for item in items]


def spill(chunks: Iterable[CleanedChunk], folder: Path, advance: Callable[[int], None]) -> CleanedRows:
    """Write the chunks to files in `folder` as they come; `advance` is told of every row read."""
    import pyarrow as pa

    reasons: dict[str, int] = {}
    kept = read = 0
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with (
        ExitStack() as stack,
        pa.OSFile(str(folder / "products"), "wb") as product_file,
        pa.OSFile(str(folder / "rejects"), "wb") as reject_file,
        pa.ipc.new_stream(product_file, cleaned_schema(), options=options) as products,
        pa.ipc.new_stream(reject_file, REJECT_SCHEMA, options=options) as rejects,
    ):
        columns = {name: stack.enter_context((folder / name).open("wb")) for name in (*_COLUMNS, "signatures")}
        for chunk in chunks:
            products.write_batch(chunk.products)
            rejects.write_batch(chunk.rejects)
            for name, file in columns.items():
                file.write(getattr(chunk, name).tobytes())
            for reason in chunk.rejects["reason"].to_pylist():
                reasons[reason] = reasons.get(reason, 0) + 1
            kept += chunk.products.num_rows
            count = chunk.products.num_rows + chunk.rejects.num_rows
            read += count
            advance(count)
    return CleanedRows(folder, kept, read, reasons)


def _judged(raw: RawRow, title: str, content: str, rules: Rules) -> RawRow | Reject:
    """The row with its clean title and content, unless they say too little."""
    if not title:
        return Reject(raw.row, raw.uid, "title-empty-once-cleaned", shown(raw.title))
    if not content:
        return Reject(raw.row, raw.uid, "content-empty-once-cleaned", shown(raw.content))
    if len(content) < rules.min_content_characters:
        return Reject(raw.row, raw.uid, "content-too-short", shown(raw.content))
    if len(content) < 4 * len(title) and content.lower() == title.lower():  # a lower case is thrice as long at most
        return Reject(raw.row, raw.uid, "content-repeats-title", shown(raw.content))
    if len(content) > rules.max_content_characters:
        content = _cut(content, rules.max_content_characters)
    return RawRow(raw.row, raw.uid, title, content)


def _cut(text: str, characters: int) -> str:
    """The beginning of a text, up to the end of a word where there is one."""
    begun = text[: characters + 1]
    return begun[: begun.rfind(" ")] if " " in begun[characters // 2 :] else text[:characters]


def product_batch(kept: Sequence[RawRow]) -> "pa.RecordBatch":
    """Kept rows as Arrow, schema `cleaned_schema()`."""
    import numpy as np
    import pyarrow as pa

    columns = [
        text_column([row.uid for row in kept]),
        text_column([row.title for row in kept]),
        text_column([row.content for row in kept]),
        number_column(np.array([row.row for row in kept], dtype=np.int64)),
    ]
    return pa.record_batch(columns, schema=cleaned_schema())


def _hashes(texts: Iterable[str]) -> "NDArray[np.uint64]":
    import numpy as np

    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8")
