"""The examples of a shard: its rows and their prompts as tokens, by split."""

from collections.abc import Sequence
from dataclasses import dataclass

import datasets
import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from jobs.process.errors import InputError
from jobs.storage.catalogue import TEST, TRAIN
from jobs.train.batches import tokenize
from jobs.train.recipes import Recipe


@dataclass(frozen=True)
class Examples:
    """The training rows and the test rows, as `batches.tokenize()` returns them, and the descriptions of the test rows."""

    train: datasets.Dataset
    test: datasets.Dataset
    test_contents: list[str]


def tokenized_examples(
    rows: pa.Table, prompts: Sequence[str], tokenizer: PreTrainedTokenizerFast, recipe: Recipe, *, where: str
) -> Examples:
    """Return the examples of rows with the columns `content` and `split`. `where` names the shard in an error.

    Errors: `InputError` (65) if there are no training rows.
    """
    splits, contents = rows["split"].to_pylist(), rows["content"].to_pylist()
    train, test = ([row for row, own in enumerate(splits) if own == split] for split in (TRAIN, TEST))
    if not train:
        raise no_training_rows(where, rows.num_rows)

    def tokenized(chosen: Sequence[int]) -> datasets.Dataset:
        sources, targets = [prompts[row] for row in chosen], [contents[row] for row in chosen]
        return tokenize(tokenizer, sources, targets, recipe.max_source_tokens, recipe.max_target_tokens)

    return Examples(tokenized(train), tokenized(test), [contents[row] for row in test])


def no_training_rows(where: str, rows: int) -> InputError:
    """Return the error of a shard without training rows. `where` names it, `rows`: how many it has."""
    return InputError(
        f"{where} has {rows} rows and no training rows: prepare the catalogue again with more rows per shard"
    )
