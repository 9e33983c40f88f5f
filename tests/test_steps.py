"""The plan: each step after all that it needs."""

import pytest

from jobs import steps as plan
from jobs.cli import COMMANDS


def test_every_step_comes_after_what_it_needs() -> None:
    seen: set[str] = set()
    for step in plan.in_order():
        assert seen.issuperset(step.needs)
        seen.add(step.name)
    assert seen == {step.name for step in plan.STEPS}


def test_every_step_is_a_command() -> None:
    assert {step.command for step in plan.STEPS} <= {command.name for command in COMMANDS}


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        list(plan.in_order((plan.Step("a", needs=("b",)), plan.Step("b", needs=("a",)))))


def test_a_training_that_shows_neighbours_comes_after_the_index() -> None:
    order = [step.name for step in plan.in_order(plan.steps(0.5))]
    assert order.index("build") < order.index("train")
    assert plan.steps(0.0) == plan.STEPS
