"""Learn a matcher from products of a catalogue, and calibrate it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from jobs.match import network
from jobs.match.calibration import NOT_CALIBRATED, calibrate, measured_values
from jobs.match.pairs import Pair, pairs, threshold_pairs
from jobs.match.products import LearningProduct
from jobs.quality.alternatives import Table, find_alternatives, with_text_counts
from jobs.quality.attributes import find_attributes
from jobs.quality.features import NAMES
from jobs.quality.matcher import Matcher
from jobs.quality.pair_kind import PairKind
from jobs.quality.word_pairs import count_word_pairs, no_word_pairs
from jobs.quality.word_statistics import WordStatistics

MIN_PRODUCTS, MIN_TEST_PRODUCTS = 500, 50
"""With fewer training or test products there is no calibrated matcher."""

STATISTICS_SHARE = 0.7
"""Fraction of the products for word statistics and alternatives. The network learns on the others, which these have not seen."""

OTHER_TEXTS = 2
"""Texts of nearest other products that each product adds to the word statistics."""

NEAREST_TEXTS, RANDOM_TEXTS = 3, 2
"""Number of nearest products from which the network's nearest text is drawn, and number of its random texts."""

KIND_WEIGHTS = {
    PairKind.OWN: 3.0, PairKind.NEAREST: 0.5, PairKind.NEAR: 0.5, PairKind.RANDOM: 2.0, PairKind.BEGINNING: 4.0,
    PairKind.EXCHANGED: 0.75, PairKind.REPLACED: 0.1,
}  # fmt: skip
"""Weights of the kinds of pairs in the loss."""


def learn(
    products: Sequence[LearningProduct], test_products: Sequence[LearningProduct], hold_back: float, seed: int
) -> Matcher:
    """Return the matcher of a catalogue.

    `products`: training products in random order. `test_products`: those to calibrate with. `hold_back`: the fraction of the
    sellers' own texts that its thresholds hold back. With too few products the matcher has alternatives, and is not calibrated.
    """
    split = int(len(products) * STATISTICS_SHARE)
    statistics, alternatives = _statistics(products[:split]), alternatives_of(products[:split])
    if len(products) < MIN_PRODUCTS or len(test_products) < MIN_TEST_PRODUCTS:
        return Matcher(statistics, no_word_pairs(), alternatives, network.empty(len(NAMES)), NOT_CALIBRATED)
    learning = list(pairs(products[split:], products[split:], alternatives, seed, NEAREST_TEXTS, RANDOM_TEXTS))
    values = measured_values(learning, statistics, alternatives)
    is_own = np.array([pair.kind == PairKind.OWN for pair in learning], dtype=np.float64)
    weights = np.array([KIND_WEIGHTS[pair.kind] for pair in learning])
    trained = network.train(values, is_own, weights, seed)
    exchanged_for = alternatives_of(test_products)  # not those of the matcher, which would find each of its own
    measured = measured_pairs(test_products, test_products, exchanged_for, seed)
    word_pairs = count_word_pairs(text for product in products for text in (product.title, product.text))
    calibrated = calibrate(statistics, word_pairs, alternatives, trained, measured, hold_back)
    return replace(calibrated, attributes=find_attributes(product.text for product in products))


def _statistics(products: Sequence[LearningProduct]) -> WordStatistics:
    statistics = WordStatistics()
    for product in products:
        statistics.add(product.title, product.text, product.other_texts[:OTHER_TEXTS])
    return statistics.finish()


def alternatives_of(products: Sequence[LearningProduct]) -> Table:
    """Return the alternatives that the titles of the products and of their nearest others show, with counts of their texts."""
    table = find_alternatives((product.title, other) for product in products for other in product.other_titles)
    own = ((product.title, product.text) for product in products)
    others = chain.from_iterable(
        ((product.title, text) for text in product.other_texts[:OTHER_TEXTS]) for product in products
    )
    return with_text_counts(table, own, others)


def measured_pairs(
    products: Sequence[LearningProduct], others: Sequence[LearningProduct], alternatives: Table, seed: int
) -> list[Pair]:
    """Return the pairs that a matcher is measured on.

    `others`: products whose texts are the random ones. `alternatives`: what facts are exchanged for. Attributes are exchanged for
    those that the products and their nearest others have.
    """
    attributes = find_attributes(text for product in products for text in (product.text, *product.other_texts))
    return [
        *pairs(products, others, alternatives, seed + 1),
        *threshold_pairs(products, others, alternatives, attributes, seed + 1),
    ]
