"""The files of a catalogue, written one by one from cleaned rows and the place that each has been given."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.prepare.cleaned_rows import CleanedRows, reject_batch
from jobs.prepare.rows import Reject, shown
from jobs.prepare.splits import HELD_OUT_SHARD, Splits
from jobs.storage import catalogue, layout
from jobs.storage.columns import number_column, text_column

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_FILES_AT_ONCE = 200


@dataclass(frozen=True)
class Placement:
    """For each of n cleaned rows: whether it is in, the number of the first row of its cluster, and where it goes."""

    alive: "NDArray[np.bool_]"
    cluster: "NDArray[np.int64]"
    splits: Splits


def write_products(cleaned: CleanedRows, placement: Placement, seed: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """The name and the path of the held-out set and of each shard; a file is removed when the next is asked for."""
    last = placement.splits.shards
    for first in range(HELD_OUT_SHARD, last, _FILES_AT_ONCE):
        wanted = range(first, min(first + _FILES_AT_ONCE, last))
        _partition(cleaned, placement, wanted, folder)
        for shard in wanted:
            name = layout.HELD_OUT_FILE if shard == HELD_OUT_SHARD else layout.shard_file(shard)
            _in_seeded_order(_part(folder, shard), folder / name, [seed, shard + 1])
            yield name, folder / name
            (folder / name).unlink()


def write_rejects(cleaned: CleanedRows, placement: Placement, path: Path) -> None:
    """All rows that are left out, in the order of the input."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    offset = 0
    with pq.ParquetWriter(path, catalogue.REJECT_SCHEMA, compression="zstd") as writer:
        for products, rejects in cleaned.batches():
            late = np.flatnonzero(~placement.alive[offset : offset + products.num_rows])
            offset += products.num_rows
            twins = reject_batch(
                [
                    Reject(row["row"], row["uid"], "duplicate-uid", shown(row["title"]))
                    for row in products.take(number_column(late)).to_pylist()
                ]
            )
            both = pa.Table.from_batches([rejects, twins])
            if both.num_rows:
                writer.write_table(both.sort_by("row"))


def _partition(cleaned: CleanedRows, placement: Placement, wanted: range, folder: Path) -> None:
    """One pass over all rows, each appended to the file of its shard, for the shards in `wanted`."""
    import numpy as np
    import pyarrow as pa

    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with ExitStack() as stack:
        writers = {}
        for shard in wanted:
            file = stack.enter_context(pa.OSFile(str(_part(folder, shard)), "wb"))
            writers[shard] = stack.enter_context(pa.ipc.new_stream(file, catalogue.PRODUCT_SCHEMA, options=options))
        offset = 0
        for products, _ in cleaned.batches():
            here = slice(offset, offset + products.num_rows)
            offset = here.stop
            shard_of = placement.splits.shard[here]
            mine = np.flatnonzero(placement.alive[here] & (shard_of >= wanted.start) & (shard_of < wanted.stop))
            mine = mine[np.argsort(shard_of[mine], kind="stable")]
            rows = _placed(products, placement, here).take(number_column(mine))
            edges = np.searchsorted(shard_of[mine], np.arange(wanted.start, wanted.stop + 1))
            for shard, start, end in zip(wanted, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                if end > start:
                    writers[shard].write_batch(rows.slice(start, end - start))


def _placed(products: "pa.RecordBatch", placement: Placement, here: slice) -> "pa.RecordBatch":
    import numpy as np
    import pyarrow as pa

    held_out = placement.splits.shard[here] == HELD_OUT_SHARD
    side = np.where(placement.splits.test[here], catalogue.TEST, catalogue.TRAIN)
    columns = [
        *(products[name] for name in ("uid", "title", "content")),
        number_column(placement.cluster[here]),
        products["row"],
        text_column(np.where(held_out, catalogue.HELD_OUT, side).tolist()),
    ]
    return pa.record_batch(columns, schema=catalogue.PRODUCT_SCHEMA)


def _in_seeded_order(part: Path, target: Path, seed: list[int]) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(str(part)) as file:
        table = pa.ipc.open_stream(file).read_all()
    order = np.random.default_rng(seed).permutation(table.num_rows)
    pq.write_table(table.take(number_column(order)), target, compression="zstd")
    part.unlink()


def _part(folder: Path, shard: int) -> Path:
    return folder / f"part-{shard}"
