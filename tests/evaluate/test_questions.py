"""The fixed questions: the same for every stage, never from a row that was trained on."""

from pathlib import Path

import pytest

from jobs.evaluate import questions
from jobs.process.errors import InputError
from jobs.storage.catalogue import HELD_OUT, TEST
from jobs.storage.store import Store
from tests.factories import write_catalogue


def test_a_stage_is_asked_held_out_own_and_first_products(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, shards=3, rows_per_shard=30, held_out=8)
    found = questions.of_stage(products, 2, 2, tmp_path)
    assert [item.group for item in found] == ["held-out"] * 2 + ["own-shard"] * 2 + ["first-shard"] * 2
    tests = {
        shard: [row for row in products.read_shard(shard, tmp_path).to_pylist() if row["split"] == TEST]
        for shard in range(3)
    }
    held_out = products.read_held_out(tmp_path).to_pylist()
    asked = [(item.title.uid, item.title.title, item.reference, item.title.cluster) for item in found]
    rows = [*held_out[:2], *tests[2][:2], *tests[0][:2]]
    assert asked == [(row["uid"], row["title"], row["content"], row["cluster"]) for row in rows]
    assert {row["split"] for row in rows} == {HELD_OUT, TEST}


def test_before_any_training_the_own_shard_is_the_first(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, shards=2, rows_per_shard=20)
    for shard in (None, 0):
        found = questions.of_stage(products, shard, 50, tmp_path)
        own, first = ([item.title for item in found if item.group == group] for group in ("own-shard", "first-shard"))
        assert own == first
        assert len(own) == 2


def test_held_out_and_first_questions_are_the_same_at_every_stage(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, shards=3, rows_per_shard=20)
    stages = [
        [item for item in questions.of_stage(products, shard, 5, tmp_path) if item.group != "own-shard"]
        for shard in (None, 0, 1, 2)
    ]
    assert stages[0] == stages[1] == stages[2] == stages[3]


def test_a_group_without_products_is_left_out(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, held_out=0)
    assert {item.group for item in questions.of_stage(products, 0, 5, tmp_path)} == {"own-shard", "first-shard"}


def test_nothing_to_ask_is_a_bad_input(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.factories.catalogue.TEST", "train")
    products = write_catalogue(store, held_out=0)
    with pytest.raises(InputError, match="neither held-out nor test"):
        questions.of_stage(products, 0, 5, tmp_path)
