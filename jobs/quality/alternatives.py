"""Alternatives: words that exclude each other in the titles of a catalogue.

Titles of similar products that are the same but for one short span show them: `low-rise` and `mid-rise`, `black` and `cyan`,
`cast iron` and `carbon steel`. Sellers' own texts show which pairs are no contradiction (`gray` and `grey`): they often have
the other word in place of the title's.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from jobs.quality.terms import is_code, phrases, terms

LONGEST = 2
"""Longest span, in terms."""

MIN_SHARED_TERMS = 2
MIN_PAIRS = 2
MAX_SPANS_IN_A_PLACE = 8
_WEIGHT_OF_PAIRS = 0.2
_WHOLE_TERMS = r"(?:(?<!\w)(?P<article>an?)(?P<space> ))?(?<!\w)(?<!\w[-./])(?P<phrase>{})(?![-./'\u2019]?\w)"
_VOWEL = re.compile(r"[aeiou]|8|1[18](?!\d)", re.IGNORECASE)
LONGEST_SIZE = 3
"""Letters of a size such as `XXL`, which stays in upper case beside `L`."""


@dataclass(frozen=True)
class Alternative:
    """Two phrases that stand in the same place of two titles.

    `pairs`: pairs of titles that differ only in them. `own_texts`: sellers' texts that have `other` although their title has
    `phrase` and they don't. `other_texts`: the same for the texts of the nearest other products. `repeating_texts`: sellers' texts that
    repeat the `phrase` of their title. `beside_texts`: those of them that have `other` too. `example`, `example_other`: a pair of titles.
    """

    phrase: str
    other: str
    pairs: int
    example: str
    example_other: str
    own_texts: int = 0
    other_texts: int = 0
    repeating_texts: int = 0
    beside_texts: int = 0

    @property
    def strength(self) -> float:
        """How strongly a text contradicts its title that has `other` in place of `phrase`: a smoothed log-odds ratio."""
        odds = math.log((self.other_texts + 1) / (self.own_texts + 1))
        return odds + _WEIGHT_OF_PAIRS * math.log1p(self.pairs)

    @property
    def beside_share(self) -> float:
        """The fraction (0..1) of the sellers' texts that repeat `phrase` and have `other` too; 1 if none repeats it."""
        return self.beside_texts / self.repeating_texts if self.repeating_texts else 1.0


_Key = tuple[str, str]
Table = Mapping[str, Mapping[str, Alternative]]
"""phrase -> other -> alternative. Each pair is in it both ways."""


def difference(title: Sequence[str], other: Sequence[str]) -> tuple[str, str] | None:
    """Return the spans in which two titles, as terms, differ, or None if they differ in more than one short span.

    Codes such as `F205` are left out: nearly every title has another one.
    """
    title, other = _without_codes(title), _without_codes(other)
    start, shortest = 0, min(len(title), len(other))
    while start < shortest and title[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and title[-1 - end] == other[-1 - end]:
        end += 1
    spans = title[start : len(title) - end], other[start : len(other) - end]
    if start + end < MIN_SHARED_TERMS or not all(1 <= len(span) <= LONGEST for span in spans):
        return None
    return " ".join(spans[0]), " ".join(spans[1])


def differing_titles(titles: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of titles that differ in one short span, as their positions, without comparing each title with each.

    At most `MAX_SPANS_IN_A_PLACE` titles are compared that have the same terms around a span.
    """
    places: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    sequences = [_without_codes(terms(title)) for title in titles]
    for position, sequence in enumerate(sequences):
        for length in range(1, min(LONGEST, len(sequence) - MIN_SHARED_TERMS) + 1):
            for start in range(len(sequence) - length + 1):
                around = " ".join(sequence[:start]), " ".join(sequence[start + length :])
                spans = places[around]
                if len(spans) < MAX_SPANS_IN_A_PLACE:
                    spans.setdefault(" ".join(sequence[start : start + length]), position)
    found = (pair for spans in places.values() for pair in combinations(spans.values(), 2))
    return [pair for pair in dict.fromkeys(found) if difference(*(sequences[position] for position in pair))]


def find_alternatives(pairs: Iterable[tuple[str, str]]) -> Table:
    """Return the alternatives that pairs of titles show. A pair counts once, whichever title comes first."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[str, str]] = {}
    for title, other in dict.fromkeys((min(pair), max(pair)) for pair in pairs):
        spans = difference(terms(title), terms(other))
        if spans:
            for key, example in ((spans, (title, other)), (spans[::-1], (other, title))):
                counts[key] += 1
                examples.setdefault(key, example)
    return to_table(Alternative(*key, count, *examples[key]) for key, count in counts.items())


def to_table(alternatives: Iterable[Alternative]) -> Table:
    """Return the table of alternatives."""
    table: dict[str, dict[str, Alternative]] = defaultdict(dict)
    for alternative in alternatives:
        table[alternative.phrase][alternative.other] = alternative
    return dict(table)


def with_text_counts(table: Table, own: Iterable[tuple[str, str]], others: Iterable[tuple[str, str]]) -> Table:
    """Return the table with its counts of texts, from pairs of a title and a text: the sellers' `own`, and those of other products."""
    in_own, in_others, beside, repeating = Counter[_Key](), Counter[_Key](), Counter[_Key](), Counter[str]()
    for title, text in own:
        in_own.update(map(_key, conflicting_alternatives(title, text, table)))
        beside.update(map(_key, stated_beside(title, text, table)))
        repeating.update(phrases(terms(title), LONGEST) & phrases(terms(text), LONGEST) & table.keys())
    for title, text in others:
        in_others.update(map(_key, conflicting_alternatives(title, text, table)))
    return to_table(
        replace(
            item,
            own_texts=in_own[_key(item)],
            other_texts=in_others[_key(item)],
            repeating_texts=repeating[item.phrase],
            beside_texts=beside[_key(item)],
        )
        for row in table.values()
        for item in row.values()
    )


def conflicting_alternatives(title: str, text: str, table: Table) -> list[Alternative]:
    """Return the alternatives that a text has in place of a phrase of its title, strongest first.

    The text does not have the title's phrase, and the title does not have the text's.
    """
    title_terms, text_terms = terms(title), terms(text)
    in_title, in_text = phrases(title_terms, LONGEST), phrases(text_terms, LONGEST)
    known, wanted = set(title_terms), set(text_terms)
    found = [
        item
        for phrase in in_title
        if phrase in table and phrase not in in_text
        for other, item in table[phrase].items()
        if other in in_text and other not in in_title and not known.issuperset(other.split())
        and not wanted.issuperset(phrase.split())
    ]  # fmt: skip
    return sorted(found, key=lambda item: (-item.strength, item.phrase, item.other))


def stated_beside(title: str, text: str, table: Table) -> list[Alternative]:
    """Return the alternatives that a text has beside a phrase of its title that it repeats, the least usual first.

    The title does not have them. Pairs of phrases are left out that a single pair of titles shows, or that sellers exchange.
    """
    title_terms = terms(title)
    in_title, in_text, known = phrases(title_terms, LONGEST), phrases(terms(text), LONGEST), set(title_terms)
    found = [
        item
        for phrase in in_title & in_text & table.keys()
        for other, item in table[phrase].items()
        if other in in_text and other not in in_title and not known.issuperset(other.split()) and _excludes(item)
    ]
    return sorted(found, key=lambda item: (item.beside_share, item.phrase, item.other))


def exchanges(title: str, text: str, table: Table) -> Iterator[tuple[Alternative, str]]:
    """Yield each alternative of `exchangeable()`, and the text with the fact exchanged for it.

    Compounds such as `red-hot` are not changed.
    """
    for item in exchangeable(title, text, table):
        yield item, with_phrase(text, item.phrase, item.other)


def exchangeable(title: str, text: str, table: Table) -> Iterator[Alternative]:
    """Yield what a fact of the title can be exchanged for, for each fact that the text repeats, in the order of the facts.

    Neither the title nor the text has the alternative. The text has the fact without punctuation within it.
    """
    in_title, in_text = phrases(terms(title), LONGEST), phrases(terms(text), LONGEST)
    for phrase in sorted(in_title & in_text & table.keys()):
        if has_phrase(text, phrase):
            for other, item in sorted(table[phrase].items()):
                if _excludes(item) and other not in in_title | in_text:
                    yield item


def repeated_phrases(title: str, text: str) -> list[str]:
    """Return the longest runs of terms of the title, at most `LONGEST` each, that the text repeats."""
    title_terms, in_text = terms(title), phrases(terms(text), LONGEST)
    found, start = [], 0
    while start < len(title_terms):
        runs = (" ".join(title_terms[start : start + length]) for length in range(LONGEST, 0, -1))
        run = next((run for run in runs if run in in_text), None)
        found += [run] if run else []
        start += len(run.split()) if run else 1
    return found


def with_phrase(text: str, phrase: str, instead: str) -> str:
    """Return the text with another phrase in place of this one, in its case, and after `a` or `an` as its first letter demands.

    Compounds such as `red-hot` are not changed.
    """
    return _whole(phrase).sub(lambda found: _in_place_of(found, instead), text)


def spelled(item: Alternative) -> str | None:
    """Return `other` as its example spells it, `HP` and not `hp`; None if the example has punctuation within it, as in `Corrigan & Sons`."""
    found = _whole(item.other).search(item.example_other)
    return found["phrase"] if found else None


def has_phrase(text: str, phrase: str) -> bool:
    """Return whether `with_phrase()` finds the phrase in a text: not in a compound, and without punctuation within it."""
    return _whole(phrase).search(text) is not None


def _excludes(item: Alternative) -> bool:
    """Return whether two phrases exclude each other: several pairs of titles show it, and sellers do not write one for the other."""
    return item.pairs >= MIN_PAIRS and item.strength > 0


def _key(item: Alternative) -> _Key:
    return item.phrase, item.other


def _whole(phrase: str) -> re.Pattern[str]:
    return re.compile(_WHOLE_TERMS.format(re.escape(phrase)), re.IGNORECASE)


def _in_place_of(found: re.Match[str], instead: str) -> str:
    article, space, phrase = (found[name] or "" for name in ("article", "space", "phrase"))
    before_vowel = _begins_with_vowel(instead)
    if article and before_vowel != _begins_with_vowel(phrase):
        article = article[0] + "n" * before_vowel
    return f"{article}{space}{_in_case_of(phrase, instead)}"


def _begins_with_vowel(phrase: str) -> bool:
    """Return whether the first letter or number of a phrase is spoken with a vowel, as far as its spelling shows."""
    return _VOWEL.match(phrase) is not None


def _in_case_of(phrase: str, instead: str) -> str:
    if phrase.isupper() and instead.islower() and (len(phrase) > 1 or len(instead) <= LONGEST_SIZE):
        return instead.upper()
    if phrase[0].isupper():
        return " ".join(word[0].upper() + word[1:] for word in instead.split())
    return instead.lower()


def _without_codes(sequence: Sequence[str]) -> list[str]:
    return [term for term in sequence if not is_code(term)]
