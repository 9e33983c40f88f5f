"""The prompts that a shard is trained with: its titles, a fraction of them with retrieved neighbours.

    runs/RUN/neighbours/shard-00007/  neighbours.parquet: the texts of the neighbours of each of those titles

The neighbours are searched once and kept, because a rebuilt index returns slightly different ones, and a resumed training
must have the same prompts. They never include the product itself, its duplicates, or a row that is not for training.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.process.lifecycle import Stop
from jobs.retrieval.neighbours import NeighbourSearch, prompt_texts
from jobs.retrieval.search_index import find_index
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import Title
from jobs.storage.columns import number_column
from jobs.storage.layout import NEIGHBOURS_FILE, Kind
from jobs.storage.parquet import parquet_bytes
from jobs.storage.store import Store
from jobs.t5.prompt import prompt
from jobs.train.training_run import RetrievalConfig

_SCHEMA = pa.schema([("row", pa.int64()), ("texts", pa.list_(pa.string()))])
"""`row`: position of a product in its shard, from 0. `texts`: the texts of its neighbours, nearest first."""


def retrieved_neighbours(
    store: Store,
    table: pa.Table,
    config: RetrievalConfig,
    stop: Stop,
    *,
    run: str,
    shard: int,
    catalogue: str,
    catalogue_digest: str,
) -> Artifact:
    """Return the neighbours for the prompts of a shard, whose products are `table`; they are searched if none are stored.

    Errors: `Interrupted` (143) after a signal, `NotReadyError` (75) if the catalogue is not indexed, `ConfigurationError`
    (78) if it is with another encoder.
    """
    path = layout.neighbours_path(run, shard)
    spec = Spec(store, path, Kind.NEIGHBOURS, {**asdict(config), "shard": shard}, {"catalogue": catalogue_digest})

    def search(draft: Draft) -> dict[str, int]:
        neighbour_search = NeighbourSearch(find_index(catalogue, catalogue_digest), config.encoder, config.neighbours)
        rows = np.flatnonzero(have_neighbours(table.num_rows, config.share, config.seed, shard))
        products = table.select(["uid", "title", "cluster"]).take(number_column(rows)).to_pylist()
        titles = [Title(product["uid"], product["title"], product["uid"], product["cluster"]) for product in products]
        texts = [prompt_texts(neighbours) for neighbours in neighbour_search.of(titles, stop.check)]
        columns = {"row": rows.tolist(), "texts": texts}
        draft.add_bytes(NEIGHBOURS_FILE, parquet_bytes(pa.Table.from_pydict(columns, schema=_SCHEMA)))
        return {"rows": len(texts)}

    return artifact.make_once(spec, search)


def have_neighbours(rows: int, share: float, seed: int, shard: int) -> NDArray[np.bool_]:
    """Return which rows of a shard have neighbours in their prompts, shape (rows,)."""
    return np.asarray(np.random.default_rng([seed, shard]).random(rows) < share)


def prompts(table: pa.Table, neighbours: Artifact | None, folder: Path) -> list[str]:
    """Return the prompt of each row of a table, with the columns `title` and `row`, in order.

    A counterfactual row has the neighbours of the row that it was made from. `neighbours`: as `retrieved_neighbours()` returns
    them, or None. `folder`: for the downloaded file.
    """
    texts: dict[int, list[str]] = {}
    if neighbours is not None:
        stored = pq.read_table(neighbours.fetch(NEIGHBOURS_FILE, folder))
        texts = dict(zip(stored["row"].to_pylist(), stored["texts"].to_pylist(), strict=True))
    rows = zip(table["row"].to_pylist(), table["title"].to_pylist(), strict=True)
    return [prompt(title, texts.get(row, ())) for row, title in rows]
