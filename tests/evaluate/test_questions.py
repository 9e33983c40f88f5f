"""The questions are the same for every stage, and never come from training rows."""

from pathlib import Path

import pytest

from jobs.evaluate import questions
from jobs.process.errors import InputError
from jobs.storage.catalogue import HELD_OUT, TEST
from jobs.storage.layout import QuestionGroup
from jobs.storage.store import Store
from tests.factories import write_catalogue


def test_a_stage_has_held_out_own_shard_and_first_shard_questions(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, shards=3, rows_per_shard=30, held_out=8)
    stage = questions.of_stage(products, 2, 2, tmp_path)
    assert [question.group for question in stage] == ["held-out"] * 2 + ["own-shard"] * 2 + ["first-shard"] * 2
    tests = {
        shard: [row for row in products.read_shard(shard, tmp_path).to_pylist() if row["split"] == TEST]
        for shard in range(3)
    }
    held_out = products.read_held_out(tmp_path).to_pylist()
    actual = [(item.title.uid, item.title.title, item.reference, item.title.cluster) for item in stage]
    rows = [*held_out[:2], *tests[2][:2], *tests[0][:2]]
    assert actual == [(row["uid"], row["title"], row["content"], row["cluster"]) for row in rows]
    assert {row["split"] for row in rows} == {HELD_OUT, TEST}


def test_the_own_shard_of_the_base_model_is_the_first_shard(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, shards=2, rows_per_shard=20)
    for shard in (None, 0):
        stage = questions.of_stage(products, shard, 50, tmp_path)
        own, first = (
            [question.title for question in stage if question.group == group]
            for group in (QuestionGroup.OWN_SHARD, QuestionGroup.FIRST_SHARD)
        )
        assert own == first
        assert len(own) == 2


def test_held_out_and_first_questions_are_the_same_at_every_stage(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, shards=3, rows_per_shard=20)
    stages = [
        [item for item in questions.of_stage(products, shard, 5, tmp_path) if item.group != QuestionGroup.OWN_SHARD]
        for shard in (None, 0, 1, 2)
    ]
    assert stages[0] == stages[1] == stages[2] == stages[3]


def test_a_group_without_products_is_left_out(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, held_out=0)
    assert {item.group for item in questions.of_stage(products, 0, 5, tmp_path)} == {"own-shard", "first-shard"}


def test_a_catalogue_without_test_and_held_out_products_is_bad_input(store: Store, tmp_path: Path) -> None:
    products = write_catalogue(store, rows_per_shard=0, held_out=0)
    with pytest.raises(InputError, match="neither held-out nor test"):
        questions.of_stage(products, 0, 5, tmp_path)
