"""Pairs of a title and a text: the seller's own text, and wrong ones of every kind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from jobs.match.products import LearningProduct
from jobs.quality.alternatives import (
    Table,
    exchangeable,
    exchanges,
    has_phrase,
    repeated_phrases,
    with_phrase,
)
from jobs.quality.attributes import Attributes, untitled
from jobs.quality.metrics import sentences
from jobs.quality.pair_kind import PairKind
from jobs.quality.support import MIN_SENTENCE_TERMS
from jobs.quality.terms import terms

BEGINNING_WORDS = (2, 15)
"""The least and the most words of a beginning."""

CUT_WORDS = (2, 5)
"""The least and the most words that are cut out of a text. At least `CUT_AFTER` words are before them, and `CUT_BEFORE` after."""
CUT_AFTER, CUT_BEFORE = 3, 3


@dataclass(frozen=True)
class Pair:
    """A title with a text, and the titles and texts of the neighbours that it is compared with."""

    kind: PairKind
    title: str
    text: str
    neighbour_titles: tuple[str, ...]
    neighbour_texts: tuple[str, ...] = ()

    @property
    def neighbours(self) -> list[str]:
        """The title and the text of each neighbour."""
        found = zip_longest(self.neighbour_titles, self.neighbour_texts, fillvalue="")
        return [f"{title}. {text}" for title, text in found]

    @property
    def sources(self) -> list[str]:
        """What may support a sentence of the text."""
        return [self.title, *self.neighbour_titles, *self.neighbour_texts]


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
        yield _pair(PairKind.OWN, product, product.text)
        near = product.other_texts[:nearest]
        if near:
            for kind in (PairKind.NEAREST, PairKind.NEAR):
                drawn = int(generator.integers(len(near)))
                yield _pair(kind, product, near[drawn], left_out=None if kind == PairKind.NEAREST else drawn)
        for kind in (*[PairKind.RANDOM] * randoms, PairKind.BEGINNING):
            other = others[int(generator.integers(len(others)))]
            if other.cluster != product.cluster:
                text = other.text if kind == PairKind.RANDOM else _beginning(other.text, generator)
                yield _pair(kind, product, text)
        changed = list(exchanges(product.title, product.text, alternatives))
        if changed:
            yield _pair(PairKind.EXCHANGED, product, changed[generator.integers(len(changed))][1])
        replaced = _replaced(product, others[int(generator.integers(len(others)))], generator)
        if replaced:
            yield _pair(PairKind.REPLACED, product, replaced)


def threshold_pairs(
    products: Sequence[LearningProduct],
    others: Sequence[LearningProduct],
    alternatives: Table,
    attributes: Attributes,
    seed: int,
) -> Iterator[Pair]:
    """Yield pairs of the kinds that checks of their own find. No network learns these: it has no feature that shows them."""
    generator = np.random.default_rng(seed)
    for product in products:
        other = others[int(generator.integers(len(others)))]
        if other.cluster != product.cluster:
            yield _pair(PairKind.ECHOED, product, f"{product.title}. {other.text}")
            added = [sentence for sentence in sentences(other.text) if len(terms(sentence)) >= MIN_SENTENCE_TERMS]
            if added:
                yield _pair(PairKind.ADDED, product, f"{product.text} {added[generator.integers(len(added))]}")
        cut = _cut(product.text.split(), generator)
        if cut:
            yield _pair(PairKind.CUT, product, cut)
        excluded = list(exchangeable(product.title, product.text, alternatives))
        if excluded:
            other_fact = excluded[generator.integers(len(excluded))].other
            yield _pair(PairKind.BESIDE, product, f"{product.text.rstrip('. ')}. Also {other_fact}.")
        guessed = _guessed(product, attributes, generator)
        if guessed:
            yield _pair(PairKind.GUESSED, product, guessed)


def _pair(kind: PairKind, product: LearningProduct, text: str, left_out: int | None = None) -> Pair:
    """Return a pair of a product's title, compared with its neighbours. `left_out`: the one that it is not compared with."""
    titles, texts = (
        tuple(item for place, item in enumerate(items) if place != left_out)
        for items in (product.other_titles, product.other_texts)
    )
    return Pair(kind, product.title, text, titles, texts)


def _cut(words: Sequence[str], generator: np.random.Generator) -> str | None:
    """Return a text without a few words in its middle, None if it is too short."""
    count = int(generator.integers(*CUT_WORDS, endpoint=True))
    if len(words) < CUT_AFTER + count + CUT_BEFORE:
        return None
    start = int(generator.integers(CUT_AFTER, len(words) - CUT_BEFORE - count, endpoint=True))
    return " ".join([*words[:start], *words[start + count :]])


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


def _guessed(product: LearningProduct, attributes: Attributes, generator: np.random.Generator) -> str | None:
    """Return the product's text with another value of one of its attributes, None if it has none that its title lacks.

    A value is drawn as often as texts have it.
    """
    stated = [
        item for item in untitled(product.title, product.text, attributes) if has_phrase(product.text, item.as_text())
    ]
    if not stated:
        return None
    item = stated[generator.integers(len(stated))]
    others = {value: texts for value, texts in attributes[item.name].items() if value != item.value}
    shares = np.array(list(others.values())) / sum(others.values())
    other = item._replace(value=str(generator.choice(list(others), p=shares)))
    return with_phrase(product.text, item.as_text(), other.as_text())


def _terms_of(product: LearningProduct) -> set[str]:
    return {*terms(product.title), *terms(product.text)}


def _beginning(text: str, generator: np.random.Generator) -> str:
    return " ".join(text.split()[: generator.integers(*BEGINNING_WORDS, endpoint=True)])
