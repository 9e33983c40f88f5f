"""From rows to batches: tokens, and the rows of each step.

The batch schedule of a shard depends only on the lengths of its rows, the recipe and the seed, so a resumed run has the same
rows in each step as an uninterrupted one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from transformers import PreTrainedTokenizerFast

from jobs.process.errors import ConfigurationError
from jobs.train.recipes import Recipe

ACCUMULATED_SCHEDULE = 2
"""The version of the schedule with gradient accumulation: a checkpoint of another version is not resumed."""

Rows: TypeAlias = "npt.NDArray[np.int64]"
"""Row numbers of a dataset, from 0; shape (rows,)."""


@dataclass(frozen=True)
class Lengths:
    """The tokens of each row, end token included; both of shape (rows,)."""

    source: Rows
    target: Rows


@dataclass(frozen=True)
class BatchSchedule:
    """The rows of every batch of every epoch, in order.

    `steps`: for each optimizer step its batches, `gradient_accumulation` of them. `epoch_ends`: for each epoch the number of
    steps done at its end.
    """

    steps: tuple[tuple[Rows, ...], ...]
    epoch_ends: tuple[int, ...]

    def batches_after(self, step: int) -> list[Rows]:
        """Return the batches that remain after `step` steps."""
        return [batch for batches in self.steps[step:] for batch in batches]

    def epoch_batches(self, epoch: int) -> list[Rows]:
        """Return the batches of an epoch, counted from 0."""
        first = self.epoch_ends[epoch - 1] if epoch else 0
        return [batch for batches in self.steps[first : self.epoch_ends[epoch]] for batch in batches]


def tokenize(
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    contents: Sequence[str],
    max_source_tokens: int,
    max_target_tokens: int,
) -> datasets.Dataset:
    """Return the tokens of prompts (`input_ids`) and descriptions (`labels`), truncated before the end token."""
    sources = targets = {"input_ids": list[list[int]]()}
    if prompts:  # not in a shard without test rows: the tokenizer cannot encode an empty list
        sources = tokenizer(list(prompts), truncation=True, max_length=max_source_tokens)
        targets = tokenizer(list(contents), truncation=True, max_length=max_target_tokens)
    tokens = datasets.Sequence(datasets.Value("int32"))
    return datasets.Dataset.from_dict(
        {"input_ids": sources["input_ids"], "labels": targets["input_ids"]},
        features=datasets.Features({"input_ids": tokens, "labels": tokens}),
    )


def lengths_of(examples: datasets.Dataset) -> Lengths:
    """Return the lengths of the rows that `tokenize()` made."""
    source, target = (pc.list_value_length(examples.data[name]).to_numpy() for name in ("input_ids", "labels"))
    return Lengths(source.astype(np.int64), target.astype(np.int64))


def batch_schedule(lengths: Lengths, recipe: Recipe, seed: int) -> BatchSchedule:
    """Return the batches of all epochs. Each row is in exactly one batch of each epoch.

    Errors: `ConfigurationError` (78) if there are fewer rows than batches per optimizer step.
    """
    rows = len(lengths.target)
    if rows < recipe.gradient_accumulation:
        raise ConfigurationError(
            f"--gradient-accumulation {recipe.gradient_accumulation} needs at least as many training rows, found {rows}"
        )
    steps: list[tuple[Rows, ...]] = []
    epoch_ends = []
    for epoch in range(recipe.epochs):
        steps += _epoch_steps(lengths, recipe, np.random.default_rng([seed, epoch]))
        epoch_ends.append(len(steps))
    return BatchSchedule(tuple(steps), tuple(epoch_ends))


def _epoch_steps(lengths: Lengths, recipe: Recipe, random: np.random.Generator) -> list[tuple[Rows, ...]]:
    order = random.permutation(len(lengths.target))
    accumulation = recipe.gradient_accumulation
    if recipe.batch_rows:
        size = recipe.batch_rows * accumulation
        groups = [order[first : first + size] for first in range(0, len(order), size)]
        return [tuple(np.array_split(group, accumulation)) for group in _merge_small(groups, accumulation)]
    windows = [order[first : first + recipe.window_rows] for first in range(0, len(order), recipe.window_rows)]
    batches = [batch for window in windows for batch in token_batches(window, lengths, recipe.target_tokens_per_batch)]
    batches = _multiple_of(accumulation, [batches[index] for index in random.permutation(len(batches))])
    return [tuple(batches[first : first + accumulation]) for first in range(0, len(batches), accumulation)]


def _multiple_of(count: int, batches: list[Rows]) -> list[Rows]:
    """Split the largest batches in two until there are a multiple of `count`. There are at least `count` rows.

    If no batch has two rows left, the last ones are merged with the first: these then have more than the maximum of tokens.
    """
    while len(batches) % count:
        largest = max(range(len(batches)), key=lambda index: len(batches[index]))
        if len(batches[largest]) == 1:
            kept = len(batches) // count * count
            return [np.concatenate(batches[index::kept]) for index in range(kept)]
        batches = [*batches[:largest], *np.array_split(batches[largest], 2), *batches[largest + 1 :]]
    return batches


def token_batches(window: Rows, lengths: Lengths, max_tokens: int) -> list[Rows]:
    """Sort rows by length and cut them into batches of at most `max_tokens` source and target tokens, padding included.

    A longer row is a batch by itself. Rows of equal lengths keep the order of the window.
    """
    by_length = window[np.lexsort((lengths.source[window], lengths.target[window]))]
    batches, first, longest_source = [], 0, 0
    for position, row in enumerate(by_length):
        longest_source = max(longest_source, int(lengths.source[row]))
        count = position - first + 1
        if count > 1 and count * max(int(lengths.target[row]), longest_source) > max_tokens:
            batches.append(by_length[first:position])
            first, longest_source = position, int(lengths.source[row])
    batches.append(by_length[first:])
    return batches


def _merge_small(groups: list[Rows], min_rows: int) -> list[Rows]:
    """Merge each group of fewer than `min_rows` rows with the group before it, the first with the one after it."""
    merged: list[Rows] = []
    for group in groups:
        if merged and (len(group) < min_rows or len(merged[-1]) < min_rows):
            merged[-1] = np.concatenate([merged[-1], group])
        else:
            merged.append(group)
    return merged


def padding_efficiency(batches: Sequence[Rows], lengths: Lengths) -> float:
    """Return the real tokens, source and target, as a fraction of the tokens with each batch padded to its longest row."""
    sides = (lengths.source, lengths.target)
    real = sum(int(side[rows].sum()) for rows in batches for side in sides)
    padded = sum(len(rows) * int(side[rows].max()) for rows in batches for side in sides)
    return real / padded if padded else 1.0
