"""The matcher: the calibrated probability that a text is about the product of a title, and true of it.

It is learnt from a catalogue by the job `match`, without labels: sellers' own texts are the right ones, texts of the nearest other
products, of random ones, and own texts with one fact exchanged are the wrong ones (`jobs.match.pairs`). A network with one hidden
layer weighs the features of `jobs.quality.features`; Platt scaling (Platt 1999) on test products makes its output a probability.

What no feature shows has a threshold of its own: another fact beside the right one, the rest of a text beside its whole title, the
support of each sentence and of single words (`jobs.quality.support`), and words that no text of the catalogue has side by side
(`jobs.quality.word_pairs`).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from jobs.quality.alternatives import Alternative, Table, stated_beside, to_table
from jobs.quality.attributes import Attributes, load_attributes, save_attributes, unlike_neighbours
from jobs.quality.features import Measured, measure
from jobs.quality.grounding import has_whole_numbers
from jobs.quality.kinds import other_kind
from jobs.quality.settings import DEFAULT_NUMBER_SUPPORT
from jobs.quality.spelling import misspelt_word
from jobs.quality.support import (
    Support,
    known_words,
    least_supported,
    unsupported_clause,
    unsupported_short_sentence,
    unsupported_words,
)
from jobs.quality.terms import absent_terms, mentioned, term_set, terms, without_run
from jobs.quality.word_pairs import UnseenPair, WordPairs, load_word_pairs, no_word_pairs
from jobs.quality.word_statistics import WordStatistics, load_word_statistics
from jobs.storage.layout import (
    ALTERNATIVES_FILE,
    ATTRIBUTES_FILE,
    CALIBRATION_FILE,
    WEIGHTS_FILE,
    WORD_PAIRS_FILE,
    WORDS_FILE,
)

PROBABILITY_DIGITS = 6
"""Probabilities are recorded and compared with these decimals, so that a threshold read from Postgres compares equal."""
WORDS_SHOWN = 5
MIN_REST_TERMS = 8
"""Terms that a text must have beside its whole title for them to be looked at without it."""
MAX_DEVIATIONS = 3.0


@dataclass(frozen=True)
class Network:
    """The weights of the network: `mean` and `scale` of the features, a hidden layer with ReLU, and an output."""

    mean: np.ndarray
    scale: np.ndarray
    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    output_weight: np.ndarray
    output_bias: np.ndarray

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Return the logits, shape (rows,), of features of shape (rows, features). A network uses the first ones, those it was made with."""
        known = values[:, : len(self.mean)]
        hidden = np.maximum(normalized(known, self.mean, self.scale) @ self.hidden_weight.T + self.hidden_bias, 0)
        return np.asarray(hidden @ self.output_weight + self.output_bias)


def normalized(values: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the features in standard deviations from their means, at most `MAX_DEVIATIONS` of them.

    A title of another form than those of the catalogue, such as one without a code, then moves the score no further than the
    most unusual titles of the catalogue do. A scale of infinity leaves a feature out.
    """
    return np.asarray(np.clip((values - mean) / scale, -MAX_DEVIATIONS, MAX_DEVIATIONS))


@dataclass(frozen=True)
class Calibration:
    """From a logit to a probability, and the thresholds of the verdict.

    `publish_from`: the probability below which a text is off its title. `contradicts_from`: the strength of an alternative from
    which it is a contradiction. `products`: the test products that all was measured on; 0 if they were too few to calibrate.

    A matcher of an earlier version has none of the others. `unseen_from`: how often chance must have put an unseen pair of words
    into the texts for it to be a reason. `rest_from`: the probability that the rest of a text must have if it repeats its whole
    title, which hides what else it says. `support_from`: the fraction of the words of each sentence that a source must have.
    `beside_from`: the fraction of the sellers' texts from which an alternative beside the fact of the title is no contradiction.
    `short_sentences`, `clauses`: whether a short sentence, and a clause, needs a word that a source has. `words`: whether a word
    before one of the title needs a source.
    """

    slope: float
    offset: float
    publish_from: float
    contradicts_from: float
    products: int
    unseen_from: float = math.inf
    rest_from: float = 0.0
    support_from: float = 0.0
    beside_from: float = 0.0
    short_sentences: bool = False
    clauses: bool = False
    words: bool = False


@dataclass(frozen=True)
class Match:
    """How a text fits a title. What a check has not found is None, or empty.

    - `contradictions`: what the text has in place of words of the title, or beside them.
    - `other_maker`: the first word of the title, and another maker that the text has in its place, or beside it if at most half of the
      neighbours' texts name that maker.
    - `other_kind`: the kind of product that the title names, and another one in its place.
    - `misspelt`: a word of the title, and how the text misspells it.
    - `unlike_neighbours`: an attribute that the title lacks, and another value of it that more of the neighbours' texts have.
    - `missing`, `unexpected`: words of the title that the text lacks, and of the text that the title lacks, which weigh most against it.
    - `other_title`: the title of a neighbour that the text fits better.
    - `unseen`: words that are side by side in no text of the catalogue.
    - `unfit_rest`: the probability of the text without its title, if that is too low.
    - `unsupported`: a sentence or a clause with too little support.
    - `unsupported_words`: words that the text puts before words of the title, or says that it is made of or by, without support.
    - `ends_within_a_sentence`: whether the last word of the text ends no sentence of the catalogue.
    """

    probability: float
    contradictions: tuple[Alternative, ...]
    other_maker: tuple[str, str] | None
    other_kind: tuple[str, str] | None
    misspelt: tuple[str, str] | None
    unlike_neighbours: tuple[str, str] | None
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    other_title: str | None
    unseen: UnseenPair | None
    unfit_rest: float | None
    unsupported: Support | None
    unsupported_words: tuple[str, ...]
    ends_within_a_sentence: bool

    @property
    def is_unsupported(self) -> bool:
        """Whether a sentence, a word, or the text without its title, says something that nothing speaks for."""
        return self.unsupported is not None or bool(self.unsupported_words) or self.unfit_rest is not None


@dataclass(frozen=True)
class Matcher:
    """What was learnt from a catalogue."""

    statistics: WordStatistics
    word_pairs: WordPairs
    alternatives: Table
    network: Network
    calibration: Calibration
    attributes: Attributes = field(default_factory=dict)

    @property
    def is_calibrated(self) -> bool:
        """Whether the catalogue had enough products to learn from and to calibrate on."""
        return self.calibration.products > 0

    def match(
        self,
        title: str,
        text: str,
        neighbour_titles: Sequence[str],
        neighbour_texts: Sequence[str] = (),
        support: int = DEFAULT_NUMBER_SUPPORT,
    ) -> Match:
        """Return how a text fits a title, compared with the titles and the texts of the nearest other products.

        `support`: how many of the neighbours' texts must have a word that the text puts before one of the title.
        """
        measured = measure(title, text, neighbour_titles, self.statistics, self.alternatives)
        of_neighbours = (*neighbour_titles, *neighbour_texts)
        strong = tuple(
            item
            for item in measured.contradictions
            if item.strength >= self.calibration.contradicts_from
            and has_whole_numbers(title, item.phrase)
            and has_whole_numbers(text, item.other)
        )
        return Match(
            probability=self._probability(measured),
            contradictions=(*strong, *self._unusual_beside(title, text)),
            other_maker=self._other_maker(title, text, neighbour_texts),
            other_kind=other_kind(title, text, of_neighbours, self.statistics),
            misspelt=misspelt_word(title, text, of_neighbours, self.statistics),
            unlike_neighbours=unlike_neighbours(title, text, neighbour_texts, self.attributes),
            missing=tuple(measured.missing[:WORDS_SHOWN]),
            unexpected=tuple(measured.unexpected[:WORDS_SHOWN]),
            other_title=measured.other_title,
            unseen=self._unseen(title, text),
            unfit_rest=self._unfit_rest(title, text, neighbour_titles),
            unsupported=self._unsupported(title, text, of_neighbours),
            unsupported_words=unsupported_words(title, text, neighbour_texts, support, self.statistics)
            if self.calibration.words
            else (),
            ends_within_a_sentence=self.word_pairs.ends_within_a_sentence(text),
        )

    def _unusual_beside(self, title: str, text: str) -> list[Alternative]:
        found = stated_beside(title, text, self.alternatives) if self.calibration.beside_from else []
        return [item for item in found if item.beside_share < self.calibration.beside_from]

    def _probability(self, measured: Measured) -> float:
        return float(probability(self.network.logits(measured.values[None]), self.calibration)[0])

    def _unfit_rest(self, title: str, text: str, neighbour_titles: Sequence[str]) -> float | None:
        rest = without_run(text, title, MIN_REST_TERMS) if self.calibration.rest_from else None
        if rest is None:
            return None
        found = self._probability(measure(title, rest, neighbour_titles, self.statistics, self.alternatives))
        return found if found < self.calibration.rest_from else None

    def _other_maker(self, title: str, text: str, neighbour_texts: Sequence[str]) -> tuple[str, str] | None:
        own, of_text = terms(title), terms(text)
        others = [word for word in absent_terms(of_text, own) if self.statistics.is_maker(word)] if own else []
        if others and own[0] in term_set(of_text):
            # Texts of laptops name the maker of the processor too.
            known = [mentioned(neighbour) for neighbour in neighbour_texts]
            others = [word for word in others if 2 * sum(word in of_one for of_one in known) <= len(known)]
        return (own[0], others[0]) if others else None

    def _unsupported(self, title: str, text: str, of_neighbours: Sequence[str]) -> Support | None:
        known = known_words((title, *of_neighbours))
        found = least_supported(text, known, self.statistics) if self.calibration.support_from else None
        if found is not None and found.share >= self.calibration.support_from:
            found = None
        if found is None and self.calibration.short_sentences:
            found = unsupported_short_sentence(text, known, title)
        return unsupported_clause(text, known, title) if found is None and self.calibration.clauses else found

    def _unseen(self, title: str, text: str) -> UnseenPair | None:
        found = self.word_pairs.unseen_pair(title, text) if math.isfinite(self.calibration.unseen_from) else None
        return found if found is not None and found.expected >= self.calibration.unseen_from else None


def is_off_title(probability: float, publish_from: float) -> bool:
    """Return whether a probability is below the threshold, with the digits that a description records."""
    return round(probability, PROBABILITY_DIGITS) < round(publish_from, PROBABILITY_DIGITS)


def probability(logits: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Return the calibrated probabilities of logits."""
    return np.asarray(np.exp(-np.logaddexp(0, -(calibration.slope * logits + calibration.offset))))


def save(matcher: Matcher, folder: Path) -> None:
    """Write the matcher's files: words, alternatives and attributes as Parquet, word pairs and weights as safetensors, the calibration as JSON."""
    matcher.statistics.save(folder / WORDS_FILE)
    matcher.word_pairs.save(folder / WORD_PAIRS_FILE)
    rows = [asdict(item) for row in matcher.alternatives.values() for item in row.values()]
    columns_of = {str: pa.string(), int: pa.int64()}
    schema = pa.schema([(name, columns_of[kind]) for name, kind in get_type_hints(Alternative).items()])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / ALTERNATIVES_FILE, compression="zstd")
    save_attributes(matcher.attributes, folder / ATTRIBUTES_FILE)
    save_file(
        {name: np.ascontiguousarray(value) for name, value in vars(matcher.network).items()}, folder / WEIGHTS_FILE
    )
    (folder / CALIBRATION_FILE).write_text(json.dumps(asdict(matcher.calibration), indent=1), encoding="utf-8")


def load(folder: Path) -> Matcher:
    """Return the matcher of the files that `save()` wrote."""
    statistics = load_word_statistics(folder / WORDS_FILE)
    file = folder / WORD_PAIRS_FILE
    word_pairs = load_word_pairs(file) if file.exists() else no_word_pairs()  # a matcher of an earlier version has none
    network = Network(**load_file(folder / WEIGHTS_FILE))
    calibration = Calibration(**json.loads((folder / CALIBRATION_FILE).read_text(encoding="utf-8")))
    alternatives = read_alternatives(folder / ALTERNATIVES_FILE)
    file = folder / ATTRIBUTES_FILE
    attributes = load_attributes(file) if file.exists() else {}  # nor does it have these
    return Matcher(statistics, word_pairs, alternatives, network, calibration, attributes)


def read_alternatives(path: Path) -> Table:
    """Return the alternatives of the file that `save()` wrote."""
    return to_table(Alternative(**row) for row in pq.read_table(path).to_pylist())
