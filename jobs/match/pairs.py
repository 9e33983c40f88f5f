"""Pairs of a title and a text: the seller's own text, and three kinds of wrong ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from jobs.match.products import LearningProduct
from jobs.quality.alternatives import Table, exchanges


class PairKind(StrEnum):
    """What the text of a pair is, as scores.json records it."""

    OWN = "own"  # the seller's text
    NEAREST = "nearest"  # the text of the nearest product of another cluster
    RANDOM = "random"  # the text of a random product
    EXCHANGED = "exchanged"  # the seller's text with one fact of the title exchanged for an alternative


@dataclass(frozen=True)
class Pair:
    """A title with a text."""

    kind: PairKind
    title: str
    text: str


def pairs(
    products: Sequence[LearningProduct],
    others: Sequence[LearningProduct],
    alternatives: Table,
    seed: int,
    nearest: int = 1,
    randoms: int = 1,
) -> Iterator[Pair]:
    """Yield the pairs of each product: its own text, and the wrong ones.

    `others`: products whose texts are the random ones. `nearest`: number of nearest products from which one text is drawn.
    `randoms`: number of random texts.
    """
    generator = np.random.default_rng(seed)
    for product in products:
        yield Pair(PairKind.OWN, product.title, product.text)
        near = product.other_texts[:nearest]
        if near:
            yield Pair(PairKind.NEAREST, product.title, near[generator.integers(len(near))])
        for drawn in generator.integers(len(others), size=randoms):
            if others[drawn].cluster != product.cluster:
                yield Pair(PairKind.RANDOM, product.title, others[drawn].text)
        changed = list(exchanges(product.title, product.text, alternatives))
        if changed:
            yield Pair(PairKind.EXCHANGED, product.title, changed[generator.integers(len(changed))][1])
