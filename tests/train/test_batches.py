from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.process.errors import ConfigurationError
from jobs.train import batches
from jobs.train.batches import Lengths, Plan
from jobs.train.recipes import FAST, REFERENCE, Recipe

lengths = st.lists(st.tuples(st.integers(1, 128), st.integers(1, 512)), min_size=8, max_size=120).map(
    lambda pairs: Lengths(np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs]))
)
recipes = st.sampled_from([FAST, REFERENCE]).flatmap(
    lambda recipe: st.builds(
        lambda epochs, accumulation, budget, window: _changed(recipe, epochs, accumulation, budget, window),
        st.integers(1, 3),
        st.integers(1, 4),
        st.integers(64, 4096),
        st.integers(8, 200),
    )
)


def _changed(recipe: Recipe, epochs: int, accumulation: int, budget: int, window: int) -> Recipe:
    changed = replace(recipe, epochs=epochs, gradient_accumulation=accumulation)
    return replace(changed, target_tokens_per_batch=budget, window_rows=window) if recipe is FAST else changed


def _rows(plan: Plan, epoch: int) -> list[int]:
    return sorted(int(row) for batch in plan.epoch_rows(epoch) for row in batch)


@given(lengths, recipes, st.integers(0, 5))
def test_every_row_is_seen_once_an_epoch(given_lengths: Lengths, recipe: Recipe, seed: int) -> None:
    plan = batches.plan(given_lengths, recipe, seed)
    assert len(plan.epoch_ends) == recipe.epochs
    assert plan.epoch_ends[-1] == len(plan.steps)
    for epoch in range(recipe.epochs):
        assert _rows(plan, epoch) == list(range(len(given_lengths.target)))


@given(lengths, recipes, st.integers(0, 5))
def test_a_step_has_as_many_batches_as_are_accumulated_and_none_is_empty(
    given_lengths: Lengths, recipe: Recipe, seed: int
) -> None:
    for step in batches.plan(given_lengths, recipe, seed).steps:
        assert len(step) == recipe.gradient_accumulation
        assert all(len(batch) for batch in step)


@given(lengths, recipes, st.integers(0, 5))
def test_the_plan_follows_from_lengths_recipe_and_seed(given_lengths: Lengths, recipe: Recipe, seed: int) -> None:
    first, second = (batches.plan(given_lengths, recipe, seed) for _ in range(2))
    assert [[batch.tolist() for batch in step] for step in first.steps] == [
        [batch.tolist() for batch in step] for step in second.steps
    ]


@given(lengths, st.integers(64, 2048))
def test_a_batch_stays_within_its_budget_of_tokens_padding_counted(given_lengths: Lengths, budget: int) -> None:
    window = np.arange(len(given_lengths.target))
    for batch in batches.token_batches(window, given_lengths, budget):
        longest = max(given_lengths.source[batch].max(), given_lengths.target[batch].max())
        assert len(batch) == 1 or len(batch) * longest <= budget


def test_most_of_what_a_sorted_batch_computes_is_no_padding() -> None:
    draw = np.random.default_rng(1)
    skewed = Lengths(draw.integers(10, 40, 4000), np.minimum(512, draw.lognormal(3.8, 0.9, 4000).astype(int) + 2))
    found = {recipe.name: batches.plan(skewed, recipe, 1).epoch_rows(0) for recipe in (FAST, REFERENCE)}
    assert batches.padding_efficiency(found["fast"], skewed) > 0.8
    assert batches.padding_efficiency(found["reference"], skewed) < 0.6


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    many = Lengths(np.full(64, 10), np.full(64, 20))
    plan, other = batches.plan(many, REFERENCE, 1), batches.plan(many, REFERENCE, 2)
    assert plan.steps[0][0].tolist() != plan.steps[plan.epoch_ends[0]][0].tolist()
    assert plan.steps[0][0].tolist() != other.steps[0][0].tolist()


def test_the_reference_recipe_takes_eight_rows_a_batch() -> None:
    plan = batches.plan(Lengths(np.full(20, 5), np.full(20, 5)), REFERENCE, 1)
    assert [len(step[0]) for step in plan.steps[: plan.epoch_ends[0]]] == [8, 8, 4]


def test_more_batches_to_accumulate_than_rows_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="--gradient-accumulation 4 needs as many training rows, found 3"):
        batches.plan(
            Lengths(np.ones(3, dtype=np.int64), np.ones(3, dtype=np.int64)),
            replace(REFERENCE, gradient_accumulation=4),
            1,
        )


def test_a_batch_is_padded_to_its_longest_row_and_padding_is_not_learnt() -> None:
    import datasets

    examples = datasets.Dataset.from_dict({"input_ids": [[5, 6, 1], [7, 1]], "labels": [[8, 1], [9, 9, 9, 1]]})
    found = batches.collate(examples, np.array([0, 1]))
    assert found["input_ids"].tolist() == [[5, 6, 1], [7, 1, 0]]
    assert found["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert found["labels"].tolist() == [[8, 1, -100, -100], [9, 9, 9, 1]]
    assert batches.collate(examples, np.array([0]), multiple=8)["labels"].shape == (1, 8)
    assert batches.collate(examples, np.array([0]), limits=(128, 512))["labels"].shape == (1, 512)
    assert batches.padding_efficiency([np.array([0, 1])], batches.lengths_of(examples)) == 11 / 14
