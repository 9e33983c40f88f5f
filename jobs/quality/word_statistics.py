"""How often a word of a title is in the seller's own text, and how often in the text of the nearest other product.

A word that the own text nearly always repeats and another text rarely has, such as a maker, says much if it is missing; a word
of every text says nothing. The log-odds ratio of the two rates is the weight of evidence of a word, present or absent.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobs.quality.terms import term_set, terms

SMOOTHING = 4.0
"""Observations at the mean rate that are added to those of each word."""


@dataclass
class WordStatistics:
    """Counts by word. `titles`, `other_titles`: pairs whose title has the word; `own`, `others`: those whose text has it too.

    `texts`: documents that have the word, for its inverse document frequency.
    """

    products: int = 0
    titles: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    other_titles: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)

    def add(self, title: str, own_text: str, other_texts: Iterable[str]) -> None:
        """Count a product with its own text and the texts of its nearest other products."""
        words, own = set(terms(title)), term_set(terms(own_text))
        self.products += 1
        self.texts.update(words | own)
        self.titles.update(words)
        self.own.update(words & own)
        for text in other_texts:
            self.other_titles.update(words)
            self.others.update(words & term_set(terms(text)))

    def finish(self) -> "WordStatistics":
        """Compute the mean rates, once every product is counted."""
        self.own_rate = (sum(self.own.values()) + 1) / (sum(self.titles.values()) + 2)
        self.other_rate = (sum(self.others.values()) + 1) / (sum(self.other_titles.values()) + 2)
        return self

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a word, in nats."""
        return math.log(1 + self.products / (1 + self.texts[word]))

    def evidence(self, word: str, is_present: bool) -> float:
        """Return the log-odds, in nats, that a text in which this word of the title is present, or absent, is the own one."""
        own = (self.own[word] + SMOOTHING * self.own_rate) / (self.titles[word] + SMOOTHING)
        other = (self.others[word] + SMOOTHING * self.other_rate) / (self.other_titles[word] + SMOOTHING)
        return math.log(own / other) if is_present else math.log((1 - own) / (1 - other))
