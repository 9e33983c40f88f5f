"""The prompts of a shard: neighbours are searched once and kept, and never include the product itself or its duplicates."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from jobs.process.errors import ConfigurationError, Interrupted, NotReadyError
from jobs.process.lifecycle import Stop
from jobs.retrieval.settings import DEFAULT_ENCODER
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.layout import NEIGHBOURS_FILE
from jobs.storage.store import Store
from jobs.train.prompts import prompts, retrieved_neighbours
from jobs.train.training_run import RetrievalConfig
from tests.factories import write_catalogue
from tests.ready import NAME, ROWS_PER_SHARD, Ready

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_vectors")]

HALF = RetrievalConfig(0.5, 2, DEFAULT_ENCODER, 13)
ALL = RetrievalConfig(1.0, 5, DEFAULT_ENCODER, 13)


def numbered(table: pa.Table) -> pa.Table:
    return table.select(["title"]).append_column("row", pa.array(np.arange(table.num_rows)))


def search(
    ready: Ready, table: pa.Table, config: RetrievalConfig, run: str, shard: int = 0, requested: bool = False
) -> Artifact:
    return retrieved_neighbours(
        ready.store,
        table,
        config,
        Stop(requested=requested),
        run=run,
        shard=shard,
        catalogue=NAME,
        catalogue_digest=ready.catalogue.digest,
    )


def read_neighbours(neighbours: Artifact, folder: Path) -> dict[int, list[str]]:
    """The texts of the neighbours, by row."""
    table = pq.read_table(neighbours.fetch(NEIGHBOURS_FILE, folder))
    return dict(zip(table["row"].to_pylist(), table["texts"].to_pylist(), strict=True))


def test_a_fraction_of_the_prompts_has_neighbours(ready: Ready, tmp_path: Path) -> None:
    table = ready.catalogue.read_shard(0, tmp_path)
    neighbours = search(ready, table, HALF, "half")
    rows = set(read_neighbours(neighbours, tmp_path))
    assert ROWS_PER_SHARD * 0.25 < len(rows) < ROWS_PER_SHARD * 0.75
    titles = table["title"].to_pylist()
    for row, (title, prompt) in enumerate(zip(titles, prompts(numbered(table), neighbours, tmp_path), strict=True)):
        assert prompt.startswith(f"Please describe this product: {title}")
        assert prompt.count("Similar product:") == (2 if row in rows else 0)


def test_a_counterfactual_row_has_the_neighbours_of_the_row_that_it_was_made_from(ready: Ready, tmp_path: Path) -> None:
    table = ready.catalogue.read_shard(0, tmp_path)
    neighbours = search(ready, table, HALF, "half")
    with_neighbours = min(read_neighbours(neighbours, tmp_path))
    own, made = prompts(
        pa.table({"row": [with_neighbours, with_neighbours], "title": ["Red Lamp", "Blue Lamp"]}), neighbours, tmp_path
    )
    assert own.count("Similar product:") == 2
    assert made == own.replace("Red Lamp", "Blue Lamp")


def test_neighbours_are_other_products_that_are_for_training(ready: Ready, tmp_path: Path) -> None:
    table = ready.catalogue.read_shard(0, tmp_path)
    test_rows = table.filter(pc.equal(table["split"], "test"))
    not_for_training = {
        title for part in (ready.catalogue.read_held_out(tmp_path), test_rows) for title in part["title"].to_pylist()
    }
    by_row = read_neighbours(search(ready, table, ALL, "all"), tmp_path)
    assert list(by_row) == list(range(ROWS_PER_SHARD))
    for row, texts in by_row.items():
        titles = {text.split(". ")[0] for text in texts}
        assert len(titles) == 5
        assert table["title"][row].as_py() not in titles
        assert not not_for_training & titles


def test_each_shard_draws_different_rows(ready: Ready, tmp_path: Path) -> None:
    rows = []
    for shard in (0, 1):
        table = ready.catalogue.read_shard(shard, tmp_path)
        rows.append(list(read_neighbours(search(ready, table, HALF, "drawn", shard), tmp_path)))
    assert rows[0] != rows[1]


def test_stored_neighbours_are_used_again_even_without_an_index(
    ready: Ready, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ready.catalogue.read_shard(0, tmp_path)
    with monkeypatch.context() as context:
        context.setenv("PGDATABASE", ready.variables["PGDATABASE"])
        first = search(ready, table, HALF, "kept")
    assert search(ready, table, HALF, "kept").digest == first.digest  # PGDATABASE is an empty database now
    with pytest.raises(ConfigurationError, match=r"share was 0\.5, now 1\.0"):
        search(ready, table, ALL, "kept")


def test_a_catalogue_without_an_index_is_not_ready(ready: Ready, store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, "unindexed")
    table = products.read_shard(0, tmp_path)
    with pytest.raises(NotReadyError, match="'unindexed' is not indexed yet"):
        retrieved_neighbours(
            store,
            table,
            HALF,
            Stop(),
            run="main",
            shard=0,
            catalogue="unindexed",
            catalogue_digest=products.digest,
        )


def test_a_signal_ends_the_search(ready: Ready, tmp_path: Path) -> None:
    table = ready.catalogue.read_shard(0, tmp_path)
    with pytest.raises(Interrupted):
        search(ready, table, ALL, "ended", requested=True)
    assert artifact.find(ready.store, layout.neighbours_path("ended", 0)) is None


def test_without_neighbours_each_prompt_has_only_the_title(ready: Ready, tmp_path: Path) -> None:
    table = ready.catalogue.read_shard(0, tmp_path)
    assert prompts(numbered(table), None, tmp_path) == [
        f"Please describe this product: {title}" for title in table["title"].to_pylist()
    ]
