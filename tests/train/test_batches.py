"""The batches of a shard: which rows they have."""

from dataclasses import replace

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.process.errors import ConfigurationError
from jobs.train import batches
from jobs.train.batches import BatchSchedule, Lengths
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


def _rows(schedule: BatchSchedule, epoch: int) -> list[int]:
    return sorted(int(row) for batch in schedule.epoch_batches(epoch) for row in batch)


@given(lengths, recipes, st.integers(0, 5))
def test_every_row_is_in_one_batch_of_each_epoch(given_lengths: Lengths, recipe: Recipe, seed: int) -> None:
    schedule = batches.batch_schedule(given_lengths, recipe, seed)
    assert len(schedule.epoch_ends) == recipe.epochs
    assert schedule.epoch_ends[-1] == len(schedule.steps)
    for epoch in range(recipe.epochs):
        assert _rows(schedule, epoch) == list(range(len(given_lengths.target)))


@given(lengths, recipes, st.integers(0, 5))
def test_each_step_has_the_number_of_accumulated_batches_and_none_is_empty(
    given_lengths: Lengths, recipe: Recipe, seed: int
) -> None:
    for step in batches.batch_schedule(given_lengths, recipe, seed).steps:
        assert len(step) == recipe.gradient_accumulation
        assert all(len(batch) for batch in step)


@given(lengths, recipes, st.integers(0, 5))
def test_the_batches_after_a_step_are_those_of_the_remaining_steps(
    given_lengths: Lengths, recipe: Recipe, seed: int
) -> None:
    schedule = batches.batch_schedule(given_lengths, recipe, seed)
    done = len(schedule.steps) // 2
    remaining = schedule.batches_after(done)
    assert len(remaining) == (len(schedule.steps) - done) * recipe.gradient_accumulation
    assert [batch.tolist() for batch in schedule.batches_after(0)][-len(remaining) :] == [
        batch.tolist() for batch in remaining
    ]


@given(lengths, recipes, st.integers(0, 5))
def test_equal_lengths_recipe_and_seed_give_the_same_schedule(
    given_lengths: Lengths, recipe: Recipe, seed: int
) -> None:
    first, second = (batches.batch_schedule(given_lengths, recipe, seed) for _ in range(2))
    assert [[batch.tolist() for batch in step] for step in first.steps] == [
        [batch.tolist() for batch in step] for step in second.steps
    ]


@given(lengths, st.integers(64, 2048))
def test_a_batch_has_at_most_the_maximum_number_of_tokens_with_padding(given_lengths: Lengths, max_tokens: int) -> None:
    window = np.arange(len(given_lengths.target))
    for batch in batches.token_batches(window, given_lengths, max_tokens):
        longest = max(given_lengths.source[batch].max(), given_lengths.target[batch].max())
        assert len(batch) == 1 or len(batch) * longest <= max_tokens


@given(lengths, st.integers(64, 2048), st.integers(1, 4))
def test_each_accumulated_batch_has_at_most_the_maximum_number_of_tokens(
    given_lengths: Lengths, max_tokens: int, accumulation: int
) -> None:
    """Unless there are fewer than `accumulation` rows more than batches, all of one row, which are too many for whole steps."""
    recipe = replace(FAST, target_tokens_per_batch=max_tokens, gradient_accumulation=accumulation)
    made = batches.batch_schedule(given_lengths, recipe, 1).epoch_batches(0)
    surplus = len(given_lengths.target) - len(made)
    for batch in made:
        longest = max(given_lengths.source[batch].max(), given_lengths.target[batch].max())
        assert len(batch) == 1 or len(batch) * longest <= max_tokens or surplus < accumulation


def test_batches_sorted_by_length_have_little_padding() -> None:
    draw = np.random.default_rng(1)
    skewed = Lengths(draw.integers(10, 40, 4000), np.minimum(512, draw.lognormal(3.8, 0.9, 4000).astype(int) + 2))
    by_recipe = {
        recipe.name: batches.batch_schedule(skewed, recipe, 1).epoch_batches(0) for recipe in (FAST, REFERENCE)
    }
    assert batches.padding_efficiency(by_recipe["fast"], skewed) > 0.8
    assert batches.padding_efficiency(by_recipe["reference"], skewed) < 0.6


def test_each_epoch_and_each_seed_has_a_different_order() -> None:
    many = Lengths(np.full(64, 10), np.full(64, 20))
    schedule, other = (batches.batch_schedule(many, REFERENCE, seed) for seed in (1, 2))
    assert schedule.steps[0][0].tolist() != schedule.steps[schedule.epoch_ends[0]][0].tolist()
    assert schedule.steps[0][0].tolist() != other.steps[0][0].tolist()


def test_the_reference_recipe_has_eight_rows_per_batch() -> None:
    schedule = batches.batch_schedule(Lengths(np.full(20, 5), np.full(20, 5)), REFERENCE, 1)
    assert [len(batch) for batch in schedule.epoch_batches(0)] == [8, 8, 4]


def test_fewer_rows_than_accumulated_batches_are_a_configuration_error() -> None:
    with pytest.raises(
        ConfigurationError, match="--gradient-accumulation 4 needs at least as many training rows, found 3"
    ):
        batches.batch_schedule(
            Lengths(np.ones(3, dtype=np.int64), np.ones(3, dtype=np.int64)),
            replace(REFERENCE, gradient_accumulation=4),
            1,
        )


def test_padding_efficiency_is_the_fraction_of_real_tokens() -> None:
    examples = datasets.Dataset.from_dict({"input_ids": [[5, 6, 1], [7, 1]], "labels": [[8, 1], [9, 9, 9, 1]]})
    assert batches.padding_efficiency([np.array([0, 1])], batches.lengths_of(examples)) == 11 / 14
