"""How often a seller's own text and the text of the nearest other product repeat a word of the title, and add one of their own.

A word that the own text nearly always repeats and another text rarely has, such as a maker, says much if it is missing; a word
of every text says nothing. A maker that the text has and the title lacks says as much. The log-odds ratio of the two rates is the
weight of evidence of a word.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.quality.terms import MIN_LETTERS, absent_terms, has_digit, term_set, terms

SMOOTHING = 4.0
"""Observations at the mean rate that are added to those of each word."""

MIN_OPENINGS, MIN_OPENING_SHARE, MAX_EXTRA_SHARE = 3, 0.6, 0.3
"""A maker begins at least this number of titles, and this share of the titles that have it. Of the texts that have it, at most this share
is about products whose titles lack it."""

MIN_ENDINGS, MIN_ENDING_SHARE = 5, 0.5
"""A kind of product ends the first part of at least this number of titles, and of this share of the titles that have it."""

MIN_REPEATED_SHARE, MAX_KIND_EXTRA_SHARE = 0.5, 0.5
"""The least share of the sellers' texts that repeat a kind if their title has it, and the most of those with it whose title lacks it."""

MIN_TITLE_LIFT = 0.75
"""The share of a word in the words of titles, as a multiple of its share in those of texts, below which it is wording: `with` and `for` have
0.5, `stylish` has less, a material or a colour more than 1."""

_TITLE_PART_END = re.compile(r"\s(?:with|for|by|in|of|from|to|on|at)\s|[,(|]|\s[-\u2013]\s")
"""After the kind, titles say with what, for whom and how large."""


@dataclass(frozen=True)
class Weights:
    """What a word weighs, in nats: its rarity, and its evidence if a text has it, lacks it, or has it and the title lacks it."""

    rarity: float
    present: float
    absent: float
    extra: float


@dataclass
class WordStatistics:
    """Counts by word. After `finish()`, `rarity()`, `evidence()` and `evidence_of_extra()` are computed from them, once a word.

    `openings`: titles that begin with the word. `endings`: titles whose first part ends with it. `titles`, `other_titles`: pairs
    whose title has the word; `own`, `others`: those whose text has it too. `own_texts`, `other_texts`: pairs whose text has the
    word; `own_extra`, `other_extra`: those whose title lacks it. `texts`: documents that have the word, for its inverse document
    frequency.
    """

    products: int = 0
    titles: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    other_titles: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    own_texts: Counter[str] = field(default_factory=Counter)
    own_extra: Counter[str] = field(default_factory=Counter)
    other_texts: Counter[str] = field(default_factory=Counter)
    other_extra: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    openings: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    own_rate: float = field(default=0.5, init=False)
    other_rate: float = field(default=0.5, init=False)
    own_extra_rate: float = field(default=0.5, init=False)
    other_extra_rate: float = field(default=0.5, init=False)
    words_of_titles: int = field(default=0, init=False)
    words_of_texts: int = field(default=0, init=False)
    _weights: dict[str, Weights] = field(default_factory=dict, init=False, repr=False, compare=False)

    def add(self, title: str, own_text: str, other_texts: Iterable[str]) -> None:
        """Count a product with its own text and the texts of its nearest other products."""
        words, own = terms(title), terms(own_text)
        in_title, in_own = set(words), term_set(own)
        self.products += 1
        self.texts.update(in_title | in_own)
        self.titles.update(in_title)
        self.openings.update(words[:1])
        self.endings.update(_last_word(_TITLE_PART_END.split(title)[0]))
        self.own.update(in_title & in_own)
        self.own_texts.update(set(own))
        self.own_extra.update(absent_terms(own, words))
        for text in other_texts:
            other = terms(text)
            self.other_titles.update(in_title)
            self.others.update(in_title & term_set(other))
            self.other_texts.update(set(other))
            self.other_extra.update(absent_terms(other, words))

    def finish(self) -> "WordStatistics":
        """Compute the mean rates, once every product is counted."""
        self._weights.clear()
        self.own_rate = _rate(self.own, self.titles)
        self.other_rate = _rate(self.others, self.other_titles)
        self.own_extra_rate = _rate(self.own_extra, self.own_texts)
        self.other_extra_rate = _rate(self.other_extra, self.other_texts)
        self.words_of_titles, self.words_of_texts = self.titles.total(), self.own_texts.total()
        return self

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a word, in nats."""
        return self._weigh(word).rarity

    def is_maker(self, word: str) -> bool:
        """Return whether a word is the name of a maker: it begins titles, and texts hardly have it about products of others."""
        return (
            self.openings[word] >= max(MIN_OPENINGS, MIN_OPENING_SHARE * self.titles[word])
            and self.own_extra[word] <= MAX_EXTRA_SHARE * self.own_texts[word]
            and _may_be_a_name(word)
        )

    def is_kind(self, word: str) -> bool:
        """Return whether a word is a kind of product: the first part of titles ends with it."""
        enough = max(MIN_ENDINGS, MIN_ENDING_SHARE * self.titles[word])
        return self.endings[word] >= enough and _may_be_a_name(word)

    def is_repeated(self, word: str) -> bool:
        """Return whether most own texts have a word that their title has."""
        return self.own[word] >= MIN_REPEATED_SHARE * self.titles[word]

    def is_seldom_extra(self, word: str) -> bool:
        """Return whether a kind is seldom in texts whose title lacks it."""
        return self.own_extra[word] <= MAX_KIND_EXTRA_SHARE * self.own_texts[word]

    def is_wording(self, word: str) -> bool:
        """Return whether texts have a word much more often than titles, which state facts."""
        in_titles, in_texts = self.titles[word] * self.words_of_texts, self.own_texts[word] * self.words_of_titles
        return in_titles < MIN_TITLE_LIFT * in_texts

    def evidence(self, word: str, is_present: bool) -> float:
        """Return the log-odds, in nats, that a text in which this word of the title is present, or absent, is the own one."""
        weights = self._weigh(word)
        return weights.present if is_present else weights.absent

    def evidence_of_extra(self, word: str) -> float:
        """Return the log-odds, in nats, that a text with this word, which its title lacks, is the own one."""
        return self._weigh(word).extra

    def save(self, path: Path) -> None:
        """Write the counts as Parquet, a row for each word."""
        words = sorted({*self.texts, *self.other_texts})
        counts = [item.name for item in fields(self) if item.default_factory is Counter]
        columns = {"word": words, **{name: [getattr(self, name)[word] for word in words] for name in counts}}
        table = pa.table(columns).replace_schema_metadata({"products": str(self.products)})
        pq.write_table(table, path, compression="zstd")

    def _weigh(self, word: str) -> Weights:
        """Return what a word weighs. It is kept for words of the catalogue: other titles have any number of codes."""
        found = self._weights.get(word)
        if found is None:
            found = self._computed(word)
            if word in self.texts:
                self._weights[word] = found
        return found

    def _computed(self, word: str) -> Weights:
        own = _smoothed(self.own[word], self.titles[word], self.own_rate)
        other = _smoothed(self.others[word], self.other_titles[word], self.other_rate)
        own_extra = _smoothed(self.own_extra[word], self.own_texts[word], self.own_extra_rate)
        other_extra = _smoothed(self.other_extra[word], self.other_texts[word], self.other_extra_rate)
        return Weights(
            rarity=math.log(1 + self.products / (1 + self.texts[word])),
            present=math.log(own / other),
            absent=math.log((1 - own) / (1 - other)),
            extra=math.log(own_extra / other_extra),
        )


def load_word_statistics(path: Path) -> WordStatistics:
    """Return the finished statistics of a file that `WordStatistics.save()` wrote."""
    table = pq.read_table(path)
    statistics = WordStatistics(int((table.schema.metadata or {})[b"products"]))
    words = table["word"].to_pylist()
    for name in table.column_names[1:]:  # a matcher of an earlier version has fewer counts
        getattr(statistics, name).update(dict(zip(words, table[name].to_pylist(), strict=True)))
    return statistics.finish()


def _last_word(part: str) -> list[str]:
    """Return the last word without a digit of a part of a title, or no word."""
    return [word for word in terms(part) if not has_digit(word)][-1:]


def _may_be_a_name(word: str) -> bool:
    return len(word) >= MIN_LETTERS and not has_digit(word)


def _smoothed(chosen: int, of: int, rate: float) -> float:
    """Return the rate of a word, drawn towards the mean rate."""
    return (chosen + SMOOTHING * rate) / (of + SMOOTHING)


def _rate(chosen: Counter[str], of: Counter[str]) -> float:
    return (sum(chosen.values()) + 1) / (sum(of.values()) + 2)
