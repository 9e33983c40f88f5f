"""What the titles of a shard are shown in training: found once, kept, and never the product itself or its twins."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store
from jobs.train import prompts as training_prompts
from jobs.train.prompts import Choice
from tests.factories import write_catalogue
from tests.ready import NAME, ROWS_PER_SHARD, Ready

HALF = Choice(0.5, 2, "all-MiniLM-L6-v2", 13)


def found(ready: Ready, folder: Path, choice: Choice, run: str, shard: int = 0) -> tuple[pa.Table, Artifact]:
    table = ready.catalogue.read_shard(shard, folder)
    return table, training_prompts.neighbours(ready.store, run, shard, NAME, ready.catalogue.digest, table, choice)


def test_a_share_of_the_titles_is_shown_the_text_of_others_and_the_rest_stand_alone(
    ready: Ready, tmp_path: Path
) -> None:
    table, shown = found(ready, tmp_path, HALF, "half")
    prompts = training_prompts.prompts(table, shown, tmp_path)
    titles = table["title"].to_pylist()
    with_others = [row for row, text in enumerate(prompts) if "Similar product:" in text]
    assert ROWS_PER_SHARD * 0.25 < len(with_others) < ROWS_PER_SHARD * 0.75
    for row, (title, text) in enumerate(zip(titles, prompts, strict=True)):
        assert text.startswith(f"Please describe this product: {title}")
        assert text.count("Similar product:") == (2 if row in with_others else 0)
        assert f"Similar product: {title}" not in text


def test_neither_the_product_nor_a_text_that_is_not_for_training_is_shown(ready: Ready, tmp_path: Path) -> None:
    table, shown = found(ready, tmp_path, Choice(1.0, 5, HALF.encoder, 13), "all")
    unseen = [ready.catalogue.read_held_out(tmp_path), table.filter(pa.compute.equal(table["split"], "test"))]
    hidden = {title for part in unseen for title in part["title"].to_pylist()}
    kept = pq.read_table(shown.fetch(training_prompts.FILE, tmp_path))
    assert kept["row"].to_pylist() == list(range(ROWS_PER_SHARD))
    for row, texts in zip(kept["row"].to_pylist(), kept["texts"].to_pylist(), strict=True):
        names = [text.split(". ")[0] for text in texts]
        assert len(names) == 5
        assert table["title"][row].as_py() not in names
        assert not hidden & set(names)


def test_each_shard_draws_its_own_rows(ready: Ready, tmp_path: Path) -> None:
    drawn = []
    for shard in (0, 1):
        _, shown = found(ready, tmp_path, HALF, "drawn", shard)
        drawn.append(pq.read_table(shown.fetch(training_prompts.FILE, tmp_path))["row"].to_pylist())
    assert drawn[0] != drawn[1]


def test_what_was_found_once_is_kept_whatever_the_index_finds_later(
    ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = found(ready, tmp_path, HALF, "kept")

    def no_more(*_: object) -> None:
        raise AssertionError("it asks the index again")

    monkeypatch.setattr(training_prompts, "find_index", no_more)
    assert found(ready, tmp_path, HALF, "kept")[1].digest == first.digest
    with pytest.raises(ConfigurationError, match=r"share was 0\.5, now 1\.0"):
        found(ready, tmp_path, Choice(1.0, 2, HALF.encoder, 13), "kept")


def test_a_catalogue_without_an_index_is_75(ready: Ready, store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, "unindexed")
    table = products.read_shard(0, tmp_path)
    with pytest.raises(NotReadyError, match="'unindexed' is not indexed yet"):
        training_prompts.neighbours(store, "main", 0, "unindexed", products.digest, table, HALF)


def test_without_neighbours_each_prompt_is_the_title_alone(ready: Ready, tmp_path: Path) -> None:
    table = ready.catalogue.read_shard(0, tmp_path)
    assert training_prompts.prompts(table, None, tmp_path) == [
        f"Please describe this product: {title}" for title in table["title"].to_pylist()
    ]
