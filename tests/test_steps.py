"""The steps of a release: each one follows all steps that it needs."""

import pytest

from jobs import steps
from jobs.cli import COMMANDS
from jobs.steps import Stage, Step
from jobs.storage import layout


def test_each_step_follows_all_that_it_needs() -> None:
    done: set[str] = set()
    for step in steps.in_order():
        assert done.issuperset(step.needs)
        done.add(step.name)
    assert done == {step.name for step in steps.STEPS}


def test_each_step_is_a_command() -> None:
    assert {step.command for step in steps.STEPS} <= {command.name for command in COMMANDS}


def test_steps_that_need_each_other_are_an_error() -> None:
    with pytest.raises(ValueError, match="these steps need each other: a, b"):
        list(steps.in_order((Step("a", needs=("b",)), Step("b", needs=("a",)))))


def test_training_with_retrieved_neighbours_needs_the_index() -> None:
    order = [step.name for step in steps.in_order(steps.steps(retrieval_share=0.5))]
    assert order.index("build") < order.index("train")


def test_training_without_retrieved_neighbours_does_not_need_the_index() -> None:
    assert steps.steps(retrieval_share=0.0) == steps.STEPS
    assert steps.by_name("train").needs == ("prepare", "fetch-model")


@pytest.mark.parametrize(("max_shards", "trained"), [(None, 10), (4, 4), (10, 10), (70, 10)])
def test_the_indexes_follow_from_the_shards_of_the_catalogue(max_shards: int | None, trained: int) -> None:
    indexes = {step.name: step.indexes(10, max_shards) for step in steps.STEPS if step.indexed_by is not None}
    assert indexes == {"embed": 11, "train": trained, "evaluate": len(steps.stages(trained)), "describe": None}


def test_the_stages_are_those_of_the_base_model_and_of_each_trained_shard() -> None:
    names = [layout.stage_name(stage.shard, stage.retrieval) for stage in steps.stages(2)]
    assert names == ["base", "base-retrieval", "shard-00000", "shard-00001", "shard-00001-retrieval"]
    assert steps.stages(1)[2:] == [Stage(0, retrieval=False), Stage(0, retrieval=True)]


@pytest.mark.parametrize(
    ("trained", "shards_at_once", "expected"),
    [
        (3, 1, [range(1), range(1, 2), range(2, 3)]),
        (5, 2, [range(2), range(2, 4), range(4, 5)]),
        (4, 2, [range(2), range(2, 4)]),
        (3, 8, [range(3)]),
    ],
)
def test_the_shards_of_a_round_follow_each_other(trained: int, shards_at_once: int, expected: list[range]) -> None:
    assert steps.rounds(trained, shards_at_once) == expected
    stages = steps.stages(trained, shards_at_once)
    assert [stage.shard for stage in stages[2:-1]] == [shards[-1] for shards in expected]
    assert stages[-1] == Stage(trained - 1, retrieval=True)
