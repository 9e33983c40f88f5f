"""Attributes: words that sellers put before the same noun, or after the same label, one of them in each text.

`long sleeves` and `short sleeves`, `Pattern: floral` and `Pattern: solid`. Where a title says nothing of an attribute, a model guesses
it, and the texts of the nearest products are all that shows how well. On 6,000 real rows (tests/bench/bench_checks.py), what one of
the neighbours says of an attribute agrees with the seller's own text in 27 % of the cases if more of the neighbours say another thing, and in
81 % otherwise.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.quality.metrics import clauses
from jobs.quality.terms import CACHED_SOURCES, has_digit, mentioned, terms

MIN_TEXTS, MIN_VALUE_TEXTS = 30, 5
"""The least number of texts that have an attribute, and each of its values."""

MIN_EXCLUSIVE = 0.95
"""The least fraction of the texts with an attribute that have one value of it."""

MIN_VALUE_SHARE = 0.05
"""The least fraction of the texts with a word before another that have it before this noun. Fewer have words such as `the` there."""

_SCHEMA = pa.schema([("name", pa.string()), ("value", pa.string()), ("texts", pa.int64())])
_LABEL_END = ":"


class Attribute(NamedTuple):
    """What a text says of a product: `sleeves` are `long`, `pattern:` is `floral`."""

    name: str
    value: str

    def as_text(self) -> str:
        """Return the words in the order in which a text has them."""
        return " ".join((self.name, self.value) if self.name.endswith(_LABEL_END) else (self.value, self.name))


Attributes = Mapping[str, Mapping[str, int]]
"""name -> value -> number of texts that have it."""


def find_attributes(texts: Iterable[str]) -> Attributes:
    """Return the attributes that the texts of a catalogue have. A text that occurs twice counts once."""
    stated_by_text = [_word_pairs(text) for text in dict.fromkeys(texts)]
    counts = Counter(item for stated in stated_by_text for item in stated)
    before_any = Counter[str]()
    for item, number in counts.items():
        if not item.name.endswith(_LABEL_END):
            before_any[item.value] += number
    values: dict[str, dict[str, int]] = defaultdict(dict)
    for item, number in sorted(counts.items()):
        is_specific = item.name.endswith(_LABEL_END) or number >= MIN_VALUE_SHARE * before_any[item.value]
        if number >= MIN_VALUE_TEXTS and is_specific:
            values[item.name][item.value] = number
    with_one, with_any = Counter[str](), Counter[str]()
    for stated in stated_by_text:
        names = Counter(item.name for item in stated if item.value in values.get(item.name, ()))
        with_any.update(names.keys())
        with_one.update(name for name, number in names.items() if number == 1)
    return {
        name: row
        for name, row in values.items()
        if len(row) > 1 and with_any[name] >= MIN_TEXTS and with_one[name] >= MIN_EXCLUSIVE * with_any[name]
    }


def unlike_neighbours(
    title: str, text: str, neighbour_texts: Sequence[str], attributes: Attributes
) -> tuple[str, str] | None:
    """Return an attribute that the title lacks, and another value of it that more neighbours' texts have: `("short sleeves", "long sleeves")`."""
    for item in untitled(title, text, attributes):
        by_neighbour = [
            [other for other in _stated(neighbour, attributes) if other.name == item.name]
            for neighbour in neighbour_texts
        ]
        differing = [stated for stated in by_neighbour if stated and item not in stated]
        if len(differing) > sum(item in stated for stated in by_neighbour):
            others = Counter(other for stated in differing for other in stated)
            return item.as_text(), max(sorted(others), key=others.__getitem__).as_text()
    return None


def untitled(title: str, text: str, attributes: Attributes) -> list[Attribute]:
    """Return the attributes of a text whose value the title does not mention, sorted."""
    in_title = mentioned(title)
    return sorted(item for item in _stated(text, attributes) if item.value not in in_title)


def save_attributes(attributes: Attributes, path: Path) -> None:
    """Write attributes as Parquet, a row for each value."""
    rows = [(name, value, texts) for name, row in attributes.items() for value, texts in row.items()]
    columns = [[row[place] for row in rows] for place in range(len(_SCHEMA))]
    pq.write_table(pa.table(columns, schema=_SCHEMA), path, compression="zstd")


def load_attributes(path: Path) -> Attributes:
    """Return the attributes of a file that `save_attributes()` wrote."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in pq.read_table(path).to_pylist():
        found[row["name"]][row["value"]] = row["texts"]
    return dict(found)


def _stated(text: str, attributes: Attributes) -> list[Attribute]:
    return [item for item in _word_pairs(text) if item.value in attributes.get(item.name, ())]


@lru_cache(CACHED_SOURCES)
def _word_pairs(text: str) -> frozenset[Attribute]:
    """Return each two adjacent words of a text, those of compounds such as `v-neck`, and each label with the word after it."""
    found: set[Attribute] = set()
    for clause in clauses(text):
        label = ""
        for part in clause.split(_LABEL_END):
            words = terms(part)
            if label and words:
                found.add(Attribute(label + _LABEL_END, words[0]))
            compounds = (word.split("-") for word in words if word.count("-") == 1)
            found.update(Attribute(noun, value) for value, noun in (*pairwise(words), *compounds))
            label = words[-1] if words else ""
    return frozenset(item for item in found if item.name and item.value and not has_digit(item.name + item.value))
