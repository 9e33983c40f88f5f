"""Counterfactual rows: training rows again, with one fact of the title exchanged in the title and in the description.

A red pan becomes a blue one in both. Such rows teach a model to take facts from the title, not from what similar products
usually have. A fact is exchanged for an alternative that other titles of the shard have.
Source: Kaushik, Hovy, Lipton, "Learning the Difference that Makes a Difference with Counterfactually-Augmented Data", 2020.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.quality.alternatives import (
    Table,
    differing_titles,
    exchangeable,
    find_alternatives,
    has_phrase,
    spelled,
    with_phrase,
    with_text_counts,
)
from jobs.storage.catalogue import TRAIN
from jobs.storage.columns import number_column, text_column


def counterfactual_rows(rows: pa.Table, share: float, seed: Sequence[int]) -> pa.Table:
    """Return counterfactual rows of a fraction of the training rows, in their order, with the same columns.

    `rows`: the columns `title`, `content`, `split`, and `row`, which a counterfactual row has from the one it was made from.
    `share`: the fraction, 0 to 1. A row whose content repeats no fact of its title that has an alternative gives none.
    """
    training = rows.filter(pc.equal(rows["split"], TRAIN))
    titles, contents = training["title"].to_pylist(), training["content"].to_pylist()
    table = _alternatives(titles, contents)
    generator = np.random.default_rng(seed)
    used, changed = [], []
    for row in np.flatnonzero(generator.random(len(titles)) < share).tolist():
        drawn = _drawn(titles[row], contents[row], table, generator)
        if drawn is not None:
            used.append(row)
            changed.append([with_phrase(text, *drawn) for text in (titles[row], contents[row])])
    made = training.take(number_column(np.array(used)))
    for column, name in enumerate(("title", "content")):
        position = made.schema.get_field_index(name)
        made = made.set_column(position, made.schema.field(name), text_column([texts[column] for texts in changed]))
    return made


def _alternatives(titles: Sequence[str], contents: Sequence[str]) -> Table:
    pairs = differing_titles(titles)
    table = find_alternatives((titles[one], titles[other]) for one, other in pairs)
    others = ((titles[one], contents[other]) for pair in pairs for one, other in (pair, pair[::-1]))
    return with_text_counts(table, zip(titles, contents, strict=True), others)


def _drawn(title: str, content: str, table: Table, generator: np.random.Generator) -> tuple[str, str] | None:
    """Return what to exchange, and for what, as a title spells it. Each fact has the same probability, however many alternatives it has.

    A phrase with punctuation within it, such as `Blue, Small`, cannot be exchanged in the title.
    """
    found = ((item.phrase, spelling) for item in exchangeable(title, content, table) if (spelling := spelled(item)))
    facts = [list(items) for phrase, items in groupby(found, key=itemgetter(0)) if has_phrase(title, phrase)]
    if not facts:
        return None
    alternatives = facts[generator.integers(len(facts))]
    return alternatives[generator.integers(len(alternatives))]
