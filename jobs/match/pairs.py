"""Pairs of a title and a text: the seller's own text, and eight kinds of wrong ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from jobs.match.products import LearningProduct
from jobs.quality.alternatives import Table, exchanges, has_phrase, repeated_phrases, with_phrase
from jobs.quality.terms import terms

BEGINNING_WORDS = (2, 15)
"""The least and the most words of a beginning."""

CUT_WORDS = (2, 5)
"""The least and the most words that are cut out of a text. At least `CUT_AFTER` words are before them, and `CUT_BEFORE` after."""
CUT_AFTER, CUT_BEFORE = 3, 3


class PairKind(StrEnum):
    """What the text of a pair is, as scores.json records it."""

    OWN = "own"  # the seller's text
    NEAREST = "nearest"  # the text of the nearest product of another cluster
    NEAR = "near"  # the same, where that product is not among the neighbours that the text is compared with
    RANDOM = "random"  # the text of a random product
    BEGINNING = "beginning"  # its first words: short and vague, as a model writes that has learnt little
    EXCHANGED = "exchanged"  # the seller's text with one fact of the title exchanged for an alternative
    REPLACED = "replaced"  # the seller's text with words of its title replaced by words of a random product's title
    ECHOED = "echoed"  # the title, and then the text of a random product
    CUT = "cut"  # the seller's text without a few words in its middle: the facts may be right, the sentence is not


@dataclass(frozen=True)
class Pair:
    """A title with a text, and the titles of the neighbours that it is compared with."""

    kind: PairKind
    title: str
    text: str
    neighbour_titles: tuple[str, ...]


def pairs(
    products: Sequence[LearningProduct],
    others: Sequence[LearningProduct],
    alternatives: Table,
    seed: int,
    nearest: int = 1,
    randoms: int = 1,
) -> Iterator[Pair]:
    """Yield the pairs of each product: its own text, and the wrong ones.

    `others`: products whose texts are the random ones. `nearest`: number of nearest products from which a text of each kind is drawn.
    `randoms`: number of random texts.
    """
    generator = np.random.default_rng(seed)
    for product in products:
        titles = product.other_titles
        yield Pair(PairKind.OWN, product.title, product.text, titles)
        near = product.other_texts[:nearest]
        if near:
            for kind in (PairKind.NEAREST, PairKind.NEAR):
                drawn = generator.integers(len(near))
                compared = titles if kind == PairKind.NEAREST else titles[:drawn] + titles[drawn + 1 :]
                yield Pair(kind, product.title, near[drawn], compared)
        for kind in (*[PairKind.RANDOM] * randoms, PairKind.BEGINNING):
            other = others[int(generator.integers(len(others)))]
            if other.cluster != product.cluster:
                text = other.text if kind == PairKind.RANDOM else _beginning(other.text, generator)
                yield Pair(kind, product.title, text, titles)
        changed = list(exchanges(product.title, product.text, alternatives))
        if changed:
            yield Pair(PairKind.EXCHANGED, product.title, changed[generator.integers(len(changed))][1], titles)
        replaced = _replaced(product, others[int(generator.integers(len(others)))], generator)
        if replaced:
            yield Pair(PairKind.REPLACED, product.title, replaced, titles)


def echoed_texts(products: Sequence[LearningProduct], others: Sequence[LearningProduct], seed: int) -> Iterator[Pair]:
    """Yield a pair of the kind `ECHOED` of each product. No network learns these: the whole title hides the rest from its features."""
    generator = np.random.default_rng(seed)
    for product in products:
        other = others[int(generator.integers(len(others)))]
        if other.cluster != product.cluster:
            yield Pair(PairKind.ECHOED, product.title, f"{product.title}. {other.text}", product.other_titles)


def cut_texts(products: Sequence[LearningProduct], seed: int) -> Iterator[Pair]:
    """Yield a pair of the kind `CUT` of each product whose text is long enough. No network learns these, which has no feature for them."""
    generator = np.random.default_rng(seed)
    for product in products:
        words = product.text.split()
        count = int(generator.integers(*CUT_WORDS, endpoint=True))
        if len(words) >= CUT_AFTER + count + CUT_BEFORE:
            start = int(generator.integers(CUT_AFTER, len(words) - CUT_BEFORE - count, endpoint=True))
            text = " ".join([*words[:start], *words[start + count :]])
            yield Pair(PairKind.CUT, product.title, text, product.other_titles)


def _replaced(product: LearningProduct, other: LearningProduct, generator: np.random.Generator) -> str | None:
    """Return the product's text with words of its title replaced by words of the other title, None if there are none to replace.

    Both are drawn from the words that a text has from its own title and that the other product does not have.
    """
    if other.cluster == product.cluster:
        return None
    own, new = (
        [phrase for phrase in repeated_phrases(one.title, one.text) if known.isdisjoint(phrase.split())]
        for one, known in ((product, _terms_of(other)), (other, _terms_of(product)))
    )
    if not own or not new:
        return None
    phrase, instead = own[generator.integers(len(own))], new[generator.integers(len(new))]
    return with_phrase(product.text, phrase, instead) if has_phrase(product.text, phrase) else None


def _terms_of(product: LearningProduct) -> set[str]:
    return {*terms(product.title), *terms(product.text)}


def _beginning(text: str, generator: np.random.Generator) -> str:
    return " ".join(text.split()[: generator.integers(*BEGINNING_WORDS, endpoint=True)])
