"""The catalogue: its files in order, and its products as they were written."""

from pathlib import Path

import pytest

from jobs.process.errors import NotReadyError
from jobs.storage import catalogue
from jobs.storage.store import Store
from tests.factories import product, write_catalogue


def test_a_catalogue_is_read_as_it_was_written(store: Store, tmp_path: Path) -> None:
    write_catalogue(store, "main", shards=2, rows_per_shard=10, held_out=3)
    found = catalogue.require(store, "main")
    assert found.shards == 2
    assert found.files() == ["shard-00000.parquet", "shard-00001.parquet", "held-out.parquet"]
    assert found.read_shard(1, tmp_path).to_pylist() == [
        vars(product(number, catalogue.TEST if number == 10 else catalogue.TRAIN)) for number in range(10, 20)
    ]
    assert found.read_held_out(tmp_path).to_pylist() == [
        vars(product(number, catalogue.HELD_OUT)) for number in range(20, 23)
    ]


def test_a_missing_catalogue_names_the_command_that_makes_it(store: Store) -> None:
    with pytest.raises(NotReadyError, match="`skuscribe prepare --catalogue main` makes it"):
        catalogue.require(store, "main")
