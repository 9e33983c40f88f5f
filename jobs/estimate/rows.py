"""The lengths of a shard's training rows, in tokens, without a training: those of a sample, tokenized as `train` does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from transformers import PreTrainedTokenizerFast

from jobs.retrieval.neighbours import Neighbour, prompt_texts
from jobs.storage.catalogue import TRAIN
from jobs.storage.columns import number_column
from jobs.t5.prompt import prompt
from jobs.train.batches import Lengths, lengths_of, tokenize
from jobs.train.counterfactuals import counterfactual_rows
from jobs.train.prompts import have_neighbours
from jobs.train.recipes import Recipe
from jobs.train.shard import COUNTERFACTUAL_SEED

SAMPLED_ROWS = 4096
"""Training rows that are tokenized, in a few seconds. From 2,000 and 5,000 of 19,000 real rows, the steps were 1 % and 3 % too few."""


@dataclass(frozen=True)
class AddedTexts:
    """What a training adds to the rows of the catalogue: the settings of the same names of `train`."""

    retrieval_share: float
    neighbours: int
    counterfactual_share: float
    seed: int


@dataclass(frozen=True)
class SampledRows:
    """A sample of the training rows of a shard.

    `lengths`: tokens of the sampled rows, in the order of the shard. `rows`: training rows of the shard, counterfactual rows
    included. `counterfactual_rows`: the number of these.
    """

    lengths: Lengths
    rows: int
    counterfactual_rows: int


def sampled_rows(
    products: pa.Table, shard: int, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, added: AddedTexts, most: int
) -> SampledRows:
    """Return the lengths of at most `most` training rows of a shard, drawn by the seed. With fewer rows, these are all rows.

    `products`: the shard, schema `PRODUCT_SCHEMA`. The rows whose prompts have neighbours, and the counterfactual rows, are those of
    the training. The neighbours are random training rows, because the search needs the index.
    """
    table = products.select(["title", "content", "split"])
    table = table.append_column("row", number_column(np.arange(products.num_rows)))
    made = 0
    if added.counterfactual_share:
        counterfactuals = counterfactual_rows(
            table, added.counterfactual_share, [added.seed, shard, COUNTERFACTUAL_SEED]
        )
        made = counterfactuals.num_rows
        table = pa.concat_tables([table, counterfactuals])
    training = table.filter(pc.equal(table["split"], TRAIN))
    random = np.random.default_rng([added.seed, shard, most])
    drawn = np.arange(training.num_rows)
    if training.num_rows > most:
        drawn = np.sort(random.choice(training.num_rows, most, replace=False))
    sample = training.take(number_column(drawn))
    with_neighbours = have_neighbours(products.num_rows, added.retrieval_share, added.seed, shard)
    prompts = [
        prompt(title, _random_texts(training, added.neighbours, random) if with_neighbours[row] else ())
        for title, row in zip(sample["title"].to_pylist(), sample["row"].to_pylist(), strict=True)
    ]
    contents = sample["content"].to_pylist()
    examples = tokenize(tokenizer, prompts, contents, recipe.max_source_tokens, recipe.max_target_tokens)
    return SampledRows(lengths_of(examples), training.num_rows, made)


def _random_texts(training: pa.Table, count: int, random: np.random.Generator) -> Sequence[str]:
    rows = random.integers(training.num_rows, size=count)
    chosen = training.select(["title", "content"]).take(number_column(rows)).to_pylist()
    return prompt_texts([Neighbour("", row["title"], row["content"], 0.0) for row in chosen])


def resized(lengths: Lengths, rows: int, seed: int) -> Lengths:
    """Return the lengths of this number of rows: the sampled ones, each repeated or left out equally often, drawn by the seed.

    They are unchanged if the sample has this number of rows.
    """
    sampled = len(lengths.target)
    if rows == sampled:
        return lengths
    order = np.resize(np.random.default_rng([seed, rows]).permutation(sampled), rows)
    return Lengths(lengths.source[order], lengths.target[order])
