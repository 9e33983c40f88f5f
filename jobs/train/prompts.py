"""The prompts that a shard is trained with: its titles, a share of them with the products nearest to them in sight.

    runs/RUN/neighbours/shard-00007/  neighbours.parquet: the texts that each of those titles is shown

What is shown is found once and kept, for an index that is built anew finds slightly other neighbours, and a training that
goes on must see what it saw before. A row is never shown itself, its cluster, or a product that is not for training.
"""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.process import log
from jobs.retrieval.neighbours import NeighbourSearch, find_index, prompt_texts
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Title
from jobs.storage.columns import number_column
from jobs.storage.store import Store
from jobs.t5.prompt import prompt

if TYPE_CHECKING:
    import pyarrow as pa

KIND, FILE = "neighbours", "neighbours.parquet"


@dataclass(frozen=True)
class Choice:
    """Which titles are shown what: a `share` (above 0, up to 1) of them, drawn by `seed`, `neighbours` products each."""

    share: float
    neighbours: int
    encoder: str
    seed: int


def neighbours(
    store: Store, run: str, shard: int, catalogue: str, catalogue_digest: str, table: "pa.Table", choice: Choice
) -> Artifact:
    """What the titles of a shard, whose products are `table`, are shown: found now, unless it was before.

    Errors: `NotReadyError` (75) where the catalogue is not indexed, `ConfigurationError` (78) where it is with another encoder.
    """
    import numpy as np

    path = f"{layout.run_path(run)}/neighbours/shard-{shard:05d}"
    decisive, inputs = {**asdict(choice), "shard": shard}, {"catalogue": catalogue_digest}
    standing = artifact.done(store, path, decisive, inputs)
    if standing is not None:
        return standing
    near = NeighbourSearch(find_index(catalogue), choice.encoder, choice.neighbours)
    shown = np.flatnonzero(np.random.default_rng([choice.seed, shard]).random(table.num_rows) < choice.share)
    rows = table.select(["uid", "title", "cluster"]).take(number_column(shown)).to_pylist()
    titles = [Title(row["uid"], row["title"], row["uid"], row["cluster"]) for row in rows]
    texts = [prompt_texts(found) for found in near.of(titles)]
    with artifact.draft(store, path, KIND, decisive, inputs) as draft:
        draft.add_bytes(FILE, _parquet(shown.tolist(), texts))
        made = draft.commit({"rows": len(texts)})
    log.info("neighbours found", artifact=store.at(path), rows=len(texts))
    return made


def prompts(table: "pa.Table", shown: Artifact | None, folder: Path) -> list[str]:
    """The prompt of each product of a shard, in its order; `shown` as `neighbours()` gives it, None for titles alone."""
    texts: dict[int, list[str]] = {}
    if shown is not None:
        import pyarrow.parquet as pq

        kept = pq.read_table(shown.fetch(FILE, folder))
        texts = dict(zip(kept["row"].to_pylist(), kept["texts"].to_pylist(), strict=True))
    return [prompt(title, texts.get(row, ())) for row, title in enumerate(table["title"].to_pylist())]


def _parquet(rows: Sequence[int], texts: Sequence[Sequence[str]]) -> bytes:
    """`row`: int64, the place of a product in its shard, from 0; `texts`: list of string, nearest first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("row", pa.int64()), ("texts", pa.list_(pa.string()))])
    data = io.BytesIO()
    pq.write_table(pa.Table.from_pydict({"row": rows, "texts": texts}, schema=schema), data, compression="zstd")
    return data.getvalue()
