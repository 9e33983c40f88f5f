"""Rows to batches: tokens, which rows make which step, and the tensors of a batch.

The plan of a whole shard follows from the lengths, the recipe and the seed alone, so a run that goes on from step n finds
the same rows in step n + 1 as one that never stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from jobs.process.errors import ConfigurationError
from jobs.t5.loss import IGNORED
from jobs.train.recipes import Recipe

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import numpy.typing as npt
    import torch
    from transformers import PreTrainedTokenizerFast


Rows: TypeAlias = "npt.NDArray[np.int64]"


@dataclass(frozen=True)
class Lengths:
    """Tokens of each row, end token counted; both of shape (rows,)."""

    source: Rows
    target: Rows


@dataclass(frozen=True)
class Plan:
    """The row numbers of every batch of every epoch, in order.

    `steps`: one entry per optimizer step, each of `gradient_accumulation` batches. `epoch_ends`: the number of steps done at
    the end of each epoch.
    """

    steps: tuple[tuple[Rows, ...], ...]
    epoch_ends: tuple[int, ...]

    def epoch_of(self, step: int) -> int:
        """The epoch, from 0, that step number `step`, from 0, belongs to."""
        return next(epoch for epoch, end in enumerate(self.epoch_ends) if step < end)

    def epoch_rows(self, epoch: int, upto: int | None = None) -> list[Rows]:
        """The batches of an epoch, those of its first steps where `upto` (steps done in all) falls within it."""
        first = self.epoch_ends[epoch - 1] if epoch else 0
        return [
            batch for step in self.steps[first : min(upto or len(self.steps), self.epoch_ends[epoch])] for batch in step
        ]


def tokenise(
    tokenizer: "PreTrainedTokenizerFast",
    prompts: Sequence[str],
    contents: Sequence[str],
    source_limit: int,
    target_limit: int,
) -> "datasets.Dataset":
    """Prompts and descriptions as tokens, cut at the limits with the end token kept: columns `input_ids`, `labels`."""
    import datasets

    sources = tokenizer(list(prompts), truncation=True, max_length=source_limit)
    targets = tokenizer(list(contents), truncation=True, max_length=target_limit)
    tokens = datasets.Sequence(datasets.Value("int32"))
    return datasets.Dataset.from_dict(
        {"input_ids": sources["input_ids"], "labels": targets["input_ids"]},
        features=datasets.Features({"input_ids": tokens, "labels": tokens}),
    )


def lengths_of(examples: "datasets.Dataset") -> Lengths:
    """The lengths of every row of `tokenise()`."""
    import numpy as np
    import pyarrow.compute as pc

    table = examples.data
    source, target = (pc.list_value_length(table[name]).to_numpy() for name in ("input_ids", "labels"))
    return Lengths(source.astype(np.int64), target.astype(np.int64))


def plan(lengths: Lengths, recipe: Recipe, seed: int) -> Plan:
    """Every step of every epoch. Each row stands in exactly one batch of each epoch.

    Errors: `ConfigurationError` where there are fewer rows than batches to accumulate in one step.
    """
    import numpy as np

    if len(lengths.target) < recipe.gradient_accumulation:
        raise ConfigurationError(
            f"--gradient-accumulation {recipe.gradient_accumulation} needs as many training rows, found {len(lengths.target)}"
        )
    steps: list[tuple[Rows, ...]] = []
    ends = []
    for epoch in range(recipe.epochs):
        steps += _epoch_steps(lengths, recipe, np.random.default_rng([seed, epoch]))
        ends.append(len(steps))
    return Plan(tuple(steps), tuple(ends))


def _epoch_steps(lengths: Lengths, recipe: Recipe, random: "np.random.Generator") -> list[tuple[Rows, ...]]:
    import numpy as np

    order = random.permutation(len(lengths.target))
    share = recipe.gradient_accumulation
    if recipe.batch_rows:
        size = recipe.batch_rows * share
        groups = [order[first : first + size] for first in range(0, len(order), size)]
    else:
        windows = [order[first : first + recipe.window_rows] for first in range(0, len(order), recipe.window_rows)]
        groups = [
            group
            for window in windows
            for group in token_batches(window, lengths, recipe.target_tokens_per_batch * share)
        ]
        groups = [groups[index] for index in random.permutation(len(groups))]
    return [tuple(np.array_split(group, share)) for group in _at_least(groups, share)]


def token_batches(window: Rows, lengths: Lengths, budget: int) -> list[Rows]:
    """Cut rows, sorted by length, into batches of at most `budget` target tokens and `budget` source tokens, padding counted.

    A row longer than the budget is a batch of its own. Rows of the same lengths keep the window's order.
    """
    import numpy as np

    by_length = window[np.lexsort((lengths.source[window], lengths.target[window]))]
    batches, first, longest_source = [], 0, 0
    for position, row in enumerate(by_length):
        longest_source = max(longest_source, int(lengths.source[row]))
        count = position - first + 1
        if count > 1 and count * max(int(lengths.target[row]), longest_source) > budget:
            batches.append(by_length[first:position])
            first, longest_source = position, int(lengths.source[row])
    batches.append(by_length[first:])
    return batches


def _at_least(groups: list[Rows], rows: int) -> list[Rows]:
    """Join each group of fewer rows to the one before it, the first to the one after it."""
    import numpy as np

    joined: list[Rows] = []
    for group in groups:
        if joined and (len(group) < rows or len(joined[-1]) < rows):
            joined[-1] = np.concatenate([joined[-1], group])
        else:
            joined.append(group)
    return joined


def collate(
    examples: "datasets.Dataset", rows: Rows, multiple: int = 1, limits: tuple[int, int] | None = None
) -> "dict[str, torch.Tensor]":
    """The tensors of a batch, int64, shape (rows, tokens): `input_ids`, `attention_mask`, and `labels` with -100 as padding.

    Padded to the longest row, rounded up to a multiple of `multiple`; or to `limits`, (source, target).
    """
    import torch

    found: Any = examples[rows.tolist()]
    source_width, target_width = limits or tuple(
        -(-max(map(len, found[name])) // multiple) * multiple for name in ("input_ids", "labels")
    )
    source = torch.zeros((len(rows), source_width), dtype=torch.int64)
    mask = torch.zeros_like(source)
    labels = torch.full((len(rows), target_width), IGNORED, dtype=torch.int64)
    for index, (tokens, answer) in enumerate(zip(found["input_ids"], found["labels"], strict=True)):
        source[index, : len(tokens)] = torch.tensor(tokens)
        mask[index, : len(tokens)] = 1
        labels[index, : len(answer)] = torch.tensor(answer)
    return {"input_ids": source, "attention_mask": mask, "labels": labels}


def padding_efficiency(batches: Sequence[Rows], lengths: Lengths) -> float:
    """Real tokens, source and target, as a share of those computed when each batch is padded to its longest row."""
    real = sum(int(side[rows].sum()) for rows in batches for side in (lengths.source, lengths.target))
    padded = sum(len(rows) * int(side[rows].max()) for rows in batches for side in (lengths.source, lengths.target))
    return real / padded if padded else 1.0
